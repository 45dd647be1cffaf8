// What log media and hand-overs cost here: nanoseconds per operation, median and spread of several runs. `--json` prints one object,
// `--quick` is for a smoke test, `--dir D` says where the files are (default /tmp).

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/event_fd.h"
#include "base/unique_fd.h"
#include "log/crc32c.h"
#include "media/flush.h"
#include "uring/ring.h"

namespace {

constexpr std::size_t kFileBytes = std::size_t{64} << 20;

bool quick = false;
bool json = false;
bool first_line = true;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "media_bench: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

// `run(n)` does the operation n times.
void Measure(const std::string& name, std::size_t bytes, const std::function<void(std::size_t)>& run) {
  using Clock = std::chrono::steady_clock;
  const auto timed = [&](std::size_t count) {
    const auto begin = Clock::now();
    run(count);
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / static_cast<double>(count);
  };
  const double target_ns = quick ? 1e6 : 5e7;
  const double one = timed(4);
  const std::size_t count = std::max<std::size_t>(4, static_cast<std::size_t>(target_ns / one));
  std::vector<double> runs;
  for (int index = 0; index < (quick ? 3 : 7); ++index) runs.push_back(timed(count));
  std::sort(runs.begin(), runs.end());
  const double median = runs[runs.size() / 2];
  const double gigabytes = static_cast<double>(bytes) / median;
  if (json) {
    std::printf("%s{\"name\":\"%s\",\"bytes\":%zu,\"nsPerOperation\":%.2f,\"nsLeast\":%.2f,\"nsMost\":%.2f}", first_line ? "[" : ",\n",
                name.c_str(), bytes, median, runs.front(), runs.back());
  } else {
    std::printf("%-34s %8zu B  %12.1f ns  (%.1f to %.1f)  %8.3f GB/s\n", name.c_str(), bytes, median, runs.front(), runs.back(),
                gigabytes);
  }
  first_line = false;
  std::fprintf(stderr, "%s, %zu bytes\n", name.c_str(), bytes);
}

struct File {
  File(const std::string& where, int flags) : path(where) {
    fd = synod::UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | flags, 0600));
    if (!fd.valid()) return;
    if (const int error = ::posix_fallocate(fd.get(), 0, kFileBytes); error != 0) {
      errno = error;
      Fail(path.c_str());
    }
  }
  ~File() { ::unlink(path.c_str()); }
  std::string path;
  synod::UniqueFd fd;
};

void Mapped(const std::string& directory, const std::vector<std::uint8_t>& source) {
  File file(directory + "/synod-media-bench", 0);
  if (!file.fd.valid()) Fail(file.path.c_str());
  void* memory = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file.fd.get(), 0);
  if (memory == MAP_FAILED) Fail("mmap");
  auto* log = static_cast<std::uint8_t*>(memory);
  const synod::Flusher& flusher = synod::Flusher::Best();
  for (const std::size_t bytes : {64, 256, 1024, 4096, 65536, 262144}) {
    std::size_t tail = 0;
    Measure(std::string("mapped copy, crc, ") + flusher.instruction(), bytes, [&](std::size_t count) {
      for (; count > 0; --count) {
        if (tail + bytes > kFileBytes) tail = 0;
        synod::CopyAndCrc32c(log + tail, source.data(), bytes, 0);
        if (!flusher.Flush(log + tail, bytes).ok()) Fail("flush");
        tail += (bytes + 63) / 64 * 64;
      }
    });
  }
  ::munmap(memory, kFileBytes);
}

void Written(const std::string& directory, const std::uint8_t* source, bool direct) {
  File file(directory + "/synod-media-bench", direct ? O_DIRECT | O_DSYNC : 0);
  if (!file.fd.valid()) {
    // tmpfs of older kernels has no O_DIRECT: nothing to measure, and said so.
    std::fprintf(stderr, "media_bench: %s refuses O_DIRECT: left out\n", directory.c_str());
    return;
  }
  for (const std::size_t bytes : {4096, 65536, 262144}) {
    std::size_t tail = 0;
    Measure(direct ? "write, O_DIRECT and O_DSYNC" : "write and fdatasync", bytes, [&](std::size_t count) {
      for (; count > 0; --count) {
        if (tail + bytes > kFileBytes) tail = 0;
        if (::pwrite(file.fd.get(), source, bytes, static_cast<off_t>(tail)) != static_cast<ssize_t>(bytes)) Fail("pwrite");
        if (!direct && ::fdatasync(file.fd.get()) != 0) Fail("fdatasync");
        tail += bytes;
      }
    });
  }
}

void RingNop() {
  synod::Ring ring;
  if (!ring.Open(256, 512).ok()) {
    std::fprintf(stderr, "media_bench: io_uring is blocked here: left out\n");
    return;
  }
  for (const std::size_t batch : {1, 16, 128}) {
    Measure("io_uring no-op, " + std::to_string(batch) + " per enter", 0, [&](std::size_t count) {
      std::size_t done = 0;
      while (done < count) {
        const std::size_t part = std::min(batch, count - done);
        for (std::size_t index = 0; index < part; ++index) ring.Next();
        if (ring.Enter(static_cast<unsigned>(part)) != 0) Fail("io_uring_enter");
        for (; ring.Peek() != nullptr; ring.Drop()) ++done;
      }
    });
  }
}

// Two threads that wake each other by event descriptors, as engine and application do when they were asleep.
void HandOver() {
  synod::EventFd there;
  synod::EventFd back;
  if (!there.Create().ok() || !back.Create().ok()) Fail("eventfd");
  const auto wait = [](const synod::EventFd& event) {
    while (!event.Take()) {
      pollfd waited{event.get(), POLLIN, 0};
      if (::poll(&waited, 1, -1) < 0 && errno != EINTR) Fail("poll");
    }
  };
  std::atomic<bool> over{false};
  std::thread other([&] {
    for (;;) {
      wait(there);
      if (over) return;
      back.Signal();
    }
  });
  Measure("thread wakes thread and is woken", 0, [&](std::size_t count) {
    for (; count > 0; --count) {
      there.Signal();
      wait(back);
    }
  });
  over = true;
  there.Signal();
  other.join();
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory = "/tmp";
  for (int index = 1; index < argc; ++index) {
    const std::string name = argv[index];
    if (name == "--quick") quick = true;
    else if (name == "--json") json = true;
    else if (name == "--dir" && index + 1 < argc) directory = argv[++index];
    else {
      std::fprintf(stderr, "usage: media_bench [--quick] [--json] [--dir D]\n");
      return 2;
    }
  }
  auto* block = static_cast<std::uint8_t*>(std::aligned_alloc(4096, 262144));
  std::memset(block, 7, 262144);
  const std::vector<std::uint8_t> source(262144, 7);
  for (const std::size_t bytes : {64, 1024, 65536}) {
    std::uint32_t crc = 0;
    Measure(std::string("crc32c ") + synod::Crc32cKind(), bytes, [&](std::size_t count) {
      for (; count > 0; --count) crc = synod::Crc32c(source.data(), bytes, crc);
    });
    if (crc == 0x12345678) std::fprintf(stderr, "\n");
  }
  Mapped("/dev/shm", source);
  Written(directory, block, false);
  Written(directory, block, true);
  RingNop();
  HandOver();
  std::free(block);
  if (json) std::puts("]");
}
