// What the hardware allows: the bytes of a cluster moved by a bare loop, without consensus. One primary, which is its own load,
// and followers, each a process, over loopback TCP: commands are copied into batches with a length each, checksummed, put in
// each one's log on the medium that is asked for, and count as done once a majority has them there.
//
//   limit --dir D --medium pmem|file|uring --size B --outstanding N --seconds S --replicas R
//
// Prints one line of JSON. `pmem` maps a file (no flush: on /dev/shm there is none), `file` writes and calls fdatasync, `uring` writes
// with O_DIRECT and O_DSYNC.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "log/crc32c.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLogBytes = std::size_t{256} << 20;
constexpr std::size_t kBatchBytes = std::size_t{256} << 10;
constexpr std::size_t kBlockBytes = 4096;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "limit: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Header {
  std::uint32_t bytes;
  std::uint32_t checksum;
  std::uint64_t number;
  std::uint64_t commands;
};

// The log of one process: a file that is written round and round.
class Log {
 public:
  Log(const std::string& path, const std::string& medium) : direct_(medium == "uring"), mapped_(medium == "pmem") {
    const int flags = O_RDWR | O_CREAT | O_TRUNC | (direct_ ? O_DIRECT | O_DSYNC : 0);
    fd_ = synod::UniqueFd(::open(path.c_str(), flags, 0600));
    if (!fd_.valid()) Fail(path.c_str());
    if (const int error = ::posix_fallocate(fd_.get(), 0, kLogBytes); error != 0) {
      errno = error;
      Fail("posix_fallocate");
    }
    const int source = mapped_ ? fd_.get() : -1;
    const int sharing = mapped_ ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void* memory = ::mmap(nullptr, kLogBytes, PROT_READ | PROT_WRITE, sharing | MAP_POPULATE, source, 0);
    if (memory == MAP_FAILED) Fail("mmap");
    memory_ = static_cast<std::uint8_t*>(memory);
  }

  // Where the next `bytes` bytes of the log are to be put.
  std::uint8_t* Reserve(std::size_t bytes) {
    if (tail_ + bytes + 2 * kBlockBytes > kLogBytes) tail_ = 0;
    return memory_ + tail_;
  }

  // They are there: makes them durable.
  void Persist(std::size_t bytes) {
    const std::size_t padded = (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    const std::size_t length = mapped_ ? bytes : padded;
    if (!mapped_) {
      for (std::size_t done = 0; done < length;) {
        const ssize_t written = ::pwrite(fd_.get(), memory_ + tail_ + done, length - done, static_cast<off_t>(tail_ + done));
        if (written < 0) Fail("pwrite");
        done += static_cast<std::size_t>(written);
      }
      if (!direct_ && ::fdatasync(fd_.get()) != 0) Fail("fdatasync");
    }
    tail_ += mapped_ ? (bytes + 63) / 64 * 64 : length;
  }

 private:
  const bool direct_;
  const bool mapped_;
  synod::UniqueFd fd_;
  std::uint8_t* memory_ = nullptr;
  std::size_t tail_ = 0;
};

void NoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void ReadAll(int fd, void* target, std::size_t bytes) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t count = ::read(fd, static_cast<char*>(target) + done, bytes - done);
    // The primary is done; with answers unread, its end resets the connection.
    if (count == 0 || (count < 0 && errno == ECONNRESET)) std::exit(0);
    if (count < 0) Fail("read");
    done += static_cast<std::size_t>(count);
  }
}

[[noreturn]] void Follow(std::uint16_t port, const std::string& path, const std::string& medium) {
  Log log(path, medium);
  synod::UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Fail("connect");
  NoDelay(fd.get());
  for (;;) {
    Header header{};
    ReadAll(fd.get(), &header, sizeof header);
    // Right into the log, like a replica whose receive buffer is copied once at most.
    std::uint8_t* place = log.Reserve(header.bytes);
    ReadAll(fd.get(), place, header.bytes);
    if (synod::Crc32c(place, header.bytes, 0) != header.checksum) {
      std::fprintf(stderr, "limit: wrong checksum\n");
      std::exit(1);
    }
    log.Persist(header.bytes);
    if (::write(fd.get(), &header.number, sizeof header.number) != sizeof header.number) std::exit(0);
  }
}

struct Peer {
  synod::UniqueFd fd;
  // Of `batches`, by number: the one that is being sent, and how much of it, header included.
  std::uint64_t sending = 0;
  std::size_t sent = 0;
  std::uint64_t acknowledged = 0;
  std::uint8_t partial[8];
  std::size_t partial_bytes = 0;
};

struct Batch {
  Header header;
  const std::uint8_t* data;
  Clock::time_point began;
};

}  // namespace

int main(int argc, char** argv) {
  std::string dir = "/dev/shm";
  std::string medium = "pmem";
  std::size_t size = 64;
  std::size_t outstanding_max = 10000;
  double seconds = 2;
  unsigned replicas = 3;
  for (int index = 1; index + 1 < argc; index += 2) {
    const std::string name = argv[index];
    const char* value = argv[index + 1];
    if (name == "--dir") dir = value;
    else if (name == "--medium") medium = value;
    else if (name == "--size") size = std::strtoull(value, nullptr, 10);
    else if (name == "--outstanding") outstanding_max = std::strtoull(value, nullptr, 10);
    else if (name == "--seconds") seconds = std::strtod(value, nullptr);
    else if (name == "--replicas") replicas = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
    else {
      std::fprintf(stderr, "limit: unknown argument %s\n", name.c_str());
      return 2;
    }
  }
  if (replicas < 1 || replicas > 7 || size < 1 || size > (std::size_t{1} << 20) || outstanding_max < 1 || seconds <= 0) {
    std::fprintf(stderr, "limit: an argument is out of bounds\n");
    return 2;
  }

  // A follower whose primary is done finds that out from write, not by a signal.
  ::signal(SIGPIPE, SIG_IGN);
  synod::UniqueFd listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t address_bytes = sizeof address;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Fail("bind");
  if (::listen(listener.get(), 8) != 0) Fail("listen");
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &address_bytes);
  std::vector<pid_t> children;
  for (unsigned index = 1; index < replicas; ++index) {
    const pid_t pid = ::fork();
    if (pid < 0) Fail("fork");
    if (pid == 0) Follow(ntohs(address.sin_port), dir + "/limit-" + std::to_string(index), medium);
    children.push_back(pid);
  }
  Log log(dir + "/limit-0", medium);
  std::vector<Peer> peers(replicas - 1);
  for (Peer& peer : peers) {
    peer.fd = synod::UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
    if (!peer.fd.valid()) Fail("accept");
    NoDelay(peer.fd.get());
  }

  const std::vector<std::uint8_t> command(size, 7);
  const std::size_t needed = replicas / 2;  // Acknowledgements beside the primary's own.
  std::deque<Batch> batches;                // Those that some peer has not been sent, or that are not done.
  std::uint64_t first = 1;                  // Number of batches.front().
  std::uint64_t next = 1;
  std::uint64_t done = 0;
  std::uint64_t own = 0;
  std::uint64_t commands_done = 0;
  std::size_t outstanding = 0;
  std::size_t held = 0;
  std::vector<double> latencies;
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (;;) {
    const Clock::time_point now = Clock::now();
    // One batch at least, also where the disk takes its time.
    if (now >= end && (!latencies.empty() || now >= end + std::chrono::seconds(30))) break;
    bool moved = false;
    // A slow follower must not find its bytes written over: what is held is bounded well below the size of the log.
    if (outstanding < outstanding_max && held < kLogBytes / 4) {
      const std::size_t most = std::max<std::size_t>(1, kBatchBytes / (size + 4));
      const std::size_t count = std::min(most, outstanding_max - outstanding);
      const std::size_t bytes = count * (size + 4);
      std::uint8_t* place = log.Reserve(bytes);
      std::uint8_t* at = place;
      const auto length = static_cast<std::uint32_t>(size);
      for (std::size_t index = 0; index < count; ++index) {
        std::memcpy(at, &length, 4);
        std::memcpy(at + 4, command.data(), size);
        at += size + 4;
      }
      const Header header{static_cast<std::uint32_t>(bytes), synod::Crc32c(place, bytes, 0), next, count};
      batches.push_back({header, place, now});
      outstanding += count;
      held += bytes;
      ++next;
      moved = true;
    }
    for (Peer& peer : peers) {
      peer.sending = std::max(peer.sending, first);
      while (peer.sending < next) {
        const Batch& batch = batches[peer.sending - first];
        iovec parts[2];
        const std::size_t header_left = peer.sent < sizeof(Header) ? sizeof(Header) - peer.sent : 0;
        const std::size_t data_sent = peer.sent < sizeof(Header) ? 0 : peer.sent - sizeof(Header);
        parts[0] = {reinterpret_cast<std::uint8_t*>(const_cast<Header*>(&batch.header)) + (sizeof(Header) - header_left), header_left};
        parts[1] = {const_cast<std::uint8_t*>(batch.data) + data_sent, batch.header.bytes - data_sent};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        const ssize_t count = ::sendmsg(peer.fd.get(), &message, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN) Fail("sendmsg");
        if (count <= 0) break;
        moved = true;
        peer.sent += static_cast<std::size_t>(count);
        if (peer.sent < sizeof(Header) + batch.header.bytes) break;
        peer.sent = 0;
        ++peer.sending;
      }
    }
    // The own log, while the others are at it.
    if (own + 1 < next) {
      ++own;
      log.Persist(batches[own - first].header.bytes);
    }
    for (Peer& peer : peers) {
      std::uint8_t buffer[4096];
      const ssize_t count = ::recv(peer.fd.get(), buffer, sizeof buffer, 0);
      if (count == 0) Fail("a follower is gone");
      if (count < 0 && errno != EAGAIN) Fail("recv");
      for (ssize_t index = 0; index < count; ++index) {
        peer.partial[peer.partial_bytes++] = buffer[index];
        if (peer.partial_bytes < 8) continue;
        std::memcpy(&peer.acknowledged, peer.partial, 8);
        peer.partial_bytes = 0;
        moved = true;
      }
    }
    std::vector<std::uint64_t> acknowledged;
    for (const Peer& peer : peers) acknowledged.push_back(peer.acknowledged);
    std::sort(acknowledged.rbegin(), acknowledged.rend());
    const std::uint64_t chosen = needed == 0 ? own : std::min(own, acknowledged[needed - 1]);
    const std::uint64_t everywhere = needed == 0 ? own : std::min(chosen, acknowledged.back());
    for (; done < chosen; ++done) {
      const Batch& batch = batches[done + 1 - first];
      outstanding -= batch.header.commands;
      commands_done += batch.header.commands;
      latencies.push_back(std::chrono::duration<double, std::micro>(Clock::now() - batch.began).count());
    }
    for (; first <= everywhere; ++first) {
      held -= batches.front().header.bytes;
      batches.pop_front();
    }
    if (moved) continue;
    // Nothing may spin: there are fewer cores than processes.
    std::vector<pollfd> waits;
    for (const Peer& peer : peers) waits.push_back({peer.fd.get(), static_cast<short>(POLLIN | (peer.sending < next ? POLLOUT : 0)), 0});
    ::poll(waits.data(), waits.size(), 100);
  }
  const double taken = std::chrono::duration<double>(Clock::now() - begin).count();
  for (Peer& peer : peers) peer.fd.Reset();
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      std::fprintf(stderr, "limit: a follower failed\n");
      return 1;
    }
  }
  if (latencies.empty()) {
    std::fprintf(stderr, "limit: nothing was done in time\n");
    return 1;
  }
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double share) { return latencies[std::min(latencies.size() - 1, static_cast<std::size_t>(share * static_cast<double>(latencies.size())))]; };
  std::printf(
      "{\"opsPerSecond\":%.0f,\"latencyUs\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f},"
      "\"commandsPerBatch\":%.1f,\"checksum\":\"%s\"}\n",
      static_cast<double>(commands_done) / taken, at(0.5), at(0.9), at(0.99), at(0.999), latencies.back(),
      static_cast<double>(commands_done) / static_cast<double>(latencies.size()), synod::Crc32cKind());
}
