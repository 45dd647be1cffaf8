// Everything on one ring without JavaScript: connections to itself that carry random bytes, with generous and with
// starved buffer pools, file writes beside them, and stops in the middle of it all. Meant for the sanitizers.

#include "check.h"

#if defined(__linux__)

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "uring/engine.h"
#include "uring/probe.h"

namespace synod {
namespace {

using test::Random;

class Harness {
 public:
  struct Peer {
    std::string received;
    std::uint64_t sent = 0;
    bool open = false;
    bool closed = false;
    std::int32_t error = 0;
  };

  explicit Harness(bool incremental, std::uint32_t buffer_bytes, std::size_t buffers)
      : rows_(EventRows::kCapacity * EventRows::kFields),
        holds_(Engine::kBuffersMax),
        bytes_sent_(Sockets::kSocketsMax),
        buffers_(buffer_bytes * buffers),
        buffer_bytes_(buffer_bytes),
        peers_(Sockets::kSocketsMax),
        engine_(std::make_unique<Engine>(EngineMemory{rows_.data(), holds_.data(), bytes_sent_.data()})) {
    CHECK(engine_->Open().ok());
    CHECK(engine_->OpenPool(incremental, buffer_bytes).ok());
    engine_->AddReceiveMemory(buffers_.data(), buffers_.size());
    SocketAddress address;
    CHECK(address.Parse("127.0.0.1", 0));
    listener_ = engine_->sockets().Listen(address, 100);
    CHECK(listener_ >= 0);
    CHECK(engine_->sockets().AddressOf(static_cast<std::uint32_t>(listener_), false, address_));
  }

  Engine& engine() { return *engine_; }
  Peer& peer(int socket) { return peers_[static_cast<std::size_t>(socket)]; }

  // Two ends of a new connection: dialled, accepted.
  std::pair<int, int> Join() {
    const int dialled = engine_->sockets().Connect(address_);
    CHECK(dialled >= 0);
    accepted_ = -1;
    Until([&] { return accepted_ >= 0 && peer(dialled).open; });
    return {dialled, accepted_};
  }

  template <typename Condition>
  void Until(Condition condition) {
    for (int round = 0; round < 200'000; round++) {
      if (condition()) return;
      Turn(100);
      if (test::failures > 0) return;
    }
    CHECK(!"condition within the rounds");
  }

  void Turn(int timeout_ms) {
    engine_->Flush();
    if (!engine_->Collect()) {
      bool urgent = false;
      const bool tick = engine_->NeedsTick(&urgent);
      pollfd poll_fd{engine_->fd(), POLLIN, 0};
      // With leases to give back there is something to do.
      ::poll(&poll_fd, 1, urgent || !kept_.empty() ? 0 : tick ? 1 : timeout_ms);
      engine_->Collect();
    }
    Handle();
    engine_->Recycle();
    // Held leases come back in the next turn.
    for (const std::uint16_t buffer : kept_) Release(buffer);
    kept_.swap(keeping_);
    keeping_.clear();
  }

  void Release(std::uint16_t buffer) {
    if (--holds_[buffer] == 0) engine_->GiveBuffer(buffer);
  }

  bool keep_leases = false;
  std::vector<std::int32_t> written;
  std::uint64_t starved = 0;

 private:
  void Handle() {
    const std::int32_t* row = rows_.data();
    for (std::uint32_t index = 0; index < engine_->rows().count(); index++, row += EventRows::kFields) {
      switch (row[0]) {
        case kEventAccepted:
          accepted_ = row[2];
          peer(accepted_) = Peer{};
          peer(accepted_).open = true;
          break;
        case kEventConnected:
          peer(row[1]) = Peer{};
          peer(row[1]).open = true;
          break;
        case kEventReceived: {
          CHECK(peer(row[1]).open && !peer(row[1]).closed);
          const auto start = static_cast<std::size_t>(row[2]) * buffer_bytes_ + static_cast<std::size_t>(row[3]);
          CHECK(row[4] > 0 && static_cast<std::uint32_t>(row[3] + row[4]) <= buffer_bytes_);
          peer(row[1]).received.append(buffers_.data() + start, static_cast<std::size_t>(row[4]));
          if (keep_leases) {
            keeping_.push_back(static_cast<std::uint16_t>(row[2]));
          } else {
            Release(static_cast<std::uint16_t>(row[2]));
          }
          break;
        }
        case kEventSent:
          peer(row[1]).sent += static_cast<std::uint64_t>(row[2]);
          break;
        case kEventClosed:
          CHECK(!peer(row[1]).closed);
          peer(row[1]).closed = true;
          peer(row[1]).error = row[2];
          break;
        case kEventWritten:
          if (written.size() <= static_cast<std::size_t>(row[1])) written.resize(static_cast<std::size_t>(row[1]) + 1, -1);
          written[static_cast<std::size_t>(row[1])] = row[2];
          break;
        case kEventStarved:
          starved++;
          break;
        default:
          CHECK(!"known row");
      }
    }
  }

  std::vector<std::int32_t> rows_;
  std::vector<std::int32_t> holds_;
  std::vector<double> bytes_sent_;
  std::vector<char> buffers_;
  std::uint32_t buffer_bytes_;
  std::vector<Peer> peers_;
  std::vector<std::uint16_t> kept_;
  std::vector<std::uint16_t> keeping_;
  SocketAddress address_;
  int listener_ = -1;
  int accepted_ = -1;
  std::unique_ptr<Engine> engine_;
};

std::string RandomBytes(Random& random, std::size_t length) {
  std::string bytes(length, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next());
  return bytes;
}

// Random messages both ways at once arrive whole and in order, and all payloads are counted.
void TestTransfer(std::uint64_t seed, bool incremental, std::uint32_t buffer_bytes, std::size_t buffers, bool keep) {
  Random random(seed);
  Harness harness(incremental, buffer_bytes, buffers);
  harness.keep_leases = keep;
  const auto [near, far] = harness.Join();
  std::vector<std::unique_ptr<std::string>> payloads;
  std::string expected[2];
  std::uint64_t counts[2] = {0, 0};
  const int ends[2] = {near, far};
  for (int step = 0; step < 150; step++) {
    const auto side = static_cast<std::size_t>(random.Below(2));
    const auto socket = static_cast<std::uint32_t>(ends[side]);
    const std::string header = RandomBytes(random, random.Below(200));
    harness.engine().sockets().PushHeader(socket, header.data(), header.size());
    expected[side] += header;
    if (random.Below(3) > 0) {
      payloads.push_back(std::make_unique<std::string>(
          RandomBytes(random, random.Below(20) == 0 ? random.Below(400'000) : random.Below(4000))));
      harness.engine().sockets().PushPayload(socket, payloads.back()->data(), payloads.back()->size());
      expected[side] += *payloads.back();
      counts[side]++;
    }
    if (random.Below(4) == 0) {
      harness.engine().sockets().SetReceiving(static_cast<std::uint32_t>(ends[1 - side]), random.Below(3) > 0);
    }
    if (random.Below(3) == 0) harness.Turn(0);
  }
  for (const int end : ends) harness.engine().sockets().SetReceiving(static_cast<std::uint32_t>(end), true);
  harness.Until([&] {
    return harness.peer(far).received.size() >= expected[0].size() &&
           harness.peer(near).received.size() >= expected[1].size() && harness.peer(near).sent >= counts[0] &&
           harness.peer(far).sent >= counts[1];
  });
  CHECK(harness.peer(far).received == expected[0]);
  CHECK(harness.peer(near).received == expected[1]);
  CHECK(harness.peer(near).sent == counts[0]);
  CHECK(harness.peer(far).sent == counts[1]);
  harness.engine().sockets().Close(static_cast<std::uint32_t>(near));
  harness.Until([&] { return harness.peer(near).closed && harness.peer(far).closed; });
  CHECK(harness.engine().Stop(5000));
}

// Connections come and go; indices are used again; what was queued for a closed one is counted and dropped.
void TestChurn() {
  Harness harness(true, 65536, 16);
  const std::string payload(100'000, 'p');
  for (int round = 0; round < 100; round++) {
    const auto [near, far] = harness.Join();
    const auto socket = static_cast<std::uint32_t>(near);
    for (int index = 0; index < 10; index++) {
      harness.engine().sockets().PushPayload(socket, payload.data(), payload.size());
    }
    if (round % 2 == 0) harness.Turn(0);
    harness.engine().sockets().Close(static_cast<std::uint32_t>(round % 3 == 0 ? far : near));
    harness.Until([&, near = near, far = far] { return harness.peer(near).closed && harness.peer(far).closed; });
    CHECK(harness.peer(near).sent == 10);
    CHECK(near < 8 && far < 8);
  }
  CHECK(harness.engine().Stop(5000));
}

// A side that sends headers alone, as a secondary does, is never told of it: its sends must not ask for wake-ups. Of a great
// payload it is told at once.
void TestReportsInTime() {
  Harness harness(true, 65536, 16);
  const auto [near, far] = harness.Join();
  const auto socket = static_cast<std::uint32_t>(near);
  Sockets& sockets = harness.engine().sockets();
  const std::string header(4096, 'h');
  for (std::size_t sent = header.size(); sent < 64 * header.size(); sent += header.size()) {
    sockets.PushHeader(socket, header.data(), header.size());
    harness.engine().Flush();
    CHECK(!sockets.HasUrgentReport());
    harness.Until([&, far = far] { return harness.peer(far).received.size() == sent; });
    CHECK(!sockets.HasUrgentReport());
  }
  const std::uint64_t before = sockets.bytes_sent();
  const std::string payload(Sockets::kEagerBytes, 'p');
  sockets.PushPayload(socket, payload.data(), payload.size());
  harness.engine().Flush();
  // Where the kernel took it at once.
  if (sockets.bytes_sent() == before + payload.size()) CHECK(sockets.HasUrgentReport());
  harness.Until([&, near = near] { return harness.peer(near).sent == 1; });
  CHECK(harness.engine().Stop(5000));
}

void TestRefusedDial() {
  Harness harness(true, 65536, 16);
  SocketAddress address;
  // Port 1 of loopback: nobody listens there.
  CHECK(address.Parse("127.0.0.1", 1));
  const int socket = harness.engine().sockets().Connect(address);
  CHECK(socket >= 0);
  harness.Until([&] { return harness.peer(socket).closed; });
  CHECK(harness.peer(socket).error == ECONNREFUSED);
  CHECK(harness.engine().Stop(5000));
}

void TestFiles() {
  Harness harness(true, 65536, 16);
  char path[] = "/tmp/synod-uring-test-XXXXXX";
  const int fd = ::mkstemp(path);
  CHECK(fd >= 0);
  Random random(3);
  const std::string content = RandomBytes(random, 1'000'000);
  Files& files = harness.engine().files();
  std::vector<std::uint32_t> tokens;
  for (std::size_t at = 0; at < content.size(); at += 100'000) {
    tokens.push_back(files.Write(fd, content.data() + at, 100'000, at, at % 200'000 == 0));
  }
  harness.Until([&] { return files.in_flight() == 0; });
  const std::uint32_t sync = files.Sync(fd);
  harness.Until([&] { return files.in_flight() == 0; });
  for (const std::uint32_t token : tokens) CHECK(harness.written[token] == 0);
  CHECK(harness.written[sync] == 0);
  std::string read(content.size(), '\0');
  CHECK(::pread(fd, read.data(), read.size(), 0) == static_cast<ssize_t>(read.size()));
  CHECK(read == content);
  const std::uint32_t bad = files.Write(-1, content.data(), 10, 0, true);
  harness.Until([&] { return files.in_flight() == 0; });
  CHECK(harness.written[bad] == EBADF);
  ::close(fd);
  ::unlink(path);
  CHECK(harness.engine().Stop(5000));
}

// Stopped with receives, sends that nobody reads, a dial and writes in flight: everything ends, nothing leaks.
void TestStop() {
  for (int round = 0; round < 8; round++) {
    char path[] = "/tmp/synod-uring-test-XXXXXX";
    const int fd = ::mkstemp(path);
    const std::string payload(1'000'000, 'p');
    {
      Harness harness(round % 2 == 0, 65536, 16);
      const auto [near, far] = harness.Join();
      harness.engine().sockets().SetReceiving(static_cast<std::uint32_t>(far), false);
      for (int index = 0; index < 8; index++) {
        harness.engine().sockets().PushPayload(static_cast<std::uint32_t>(near), payload.data(), payload.size());
        harness.engine().files().Write(fd, payload.data(), payload.size(), static_cast<std::uint64_t>(index) << 20, true);
      }
      if (round % 3 > 0) harness.Turn(0);
      CHECK(harness.engine().Stop(20'000));
      CHECK(harness.engine().sockets().in_flight() == 0);
      CHECK(harness.engine().files().in_flight() == 0);
    }
    ::close(fd);
    ::unlink(path);
  }
}

}  // namespace
}  // namespace synod

int main() {
  using namespace synod;
  const UringProbe probe = ProbeUring();
  if (!probe.status.ok() || !probe.missing_for_sockets.empty()) {
    std::printf("not run: %s %s %s\n", probe.status.system_call, std::strerror(probe.status.error_number),
                probe.missing_for_sockets.c_str());
    return 0;
  }
  for (std::uint64_t seed = 1; seed <= 4; seed++) {
    TestTransfer(seed, true, 262'144, 16, false);
    TestTransfer(seed, false, 65'536, 64, false);
    // Few and small buffers whose leases are kept a while: receiving stops and goes on many times.
    TestTransfer(seed, true, 8192, 4, true);
    TestTransfer(seed, false, 4096, 4, true);
    if (test::failures > 0) {
      std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
      break;
    }
  }
  TestChurn();
  TestReportsInTime();
  TestRefusedDial();
  TestFiles();
  TestStop();
  std::printf("%d checks, %d failures\n", test::checks, test::failures);
  return test::failures == 0 ? 0 : 1;
}

#else

int main() { return 0; }

#endif
