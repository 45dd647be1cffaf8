// Descriptors, events, file locks and pages.

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/event_fd.h"
#include "base/file_lock.h"
#include "base/populate.h"
#include "base/unique_fd.h"
#include "test/check.h"

namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

void OwnsDescriptors() {
  int raw = -1;
  {
    synod::UniqueFd fd(::open("/dev/null", O_RDONLY));
    raw = fd.get();
    CHECK(IsOpen(raw));
    synod::UniqueFd other(std::move(fd));
    CHECK(!fd.valid() && other.get() == raw);
    fd = std::move(other);
    CHECK(fd.get() == raw);
  }
  CHECK(!IsOpen(raw));
  synod::UniqueFd released(::open("/dev/null", O_RDONLY));
  raw = released.Release();
  CHECK(!released.valid() && IsOpen(raw));
  ::close(raw);
}

void SignalsAddUp() {
  synod::EventFd event;
  CHECK(event.Create().ok());
  CHECK(!event.Take());
  synod::EventFd sender;
  CHECK(sender.Duplicate(event.get()).ok());
  for (int count = 0; count < 3; ++count) sender.Signal();
  CHECK(event.Take());
  CHECK(!event.Take());
  std::vector<std::thread> threads;
  for (int index = 0; index < 4; ++index) {
    threads.emplace_back([&event] {
      synod::EventFd own;
      if (!own.Duplicate(event.get()).ok()) return;
      for (int count = 0; count < 1000; ++count) own.Signal();
    });
  }
  pollfd waiting{event.get(), POLLIN, 0};
  CHECK(::poll(&waiting, 1, 10000) == 1);
  for (auto& thread : threads) thread.join();
  event.Take();
  event.Close();
  sender.Signal();  // The receiver is gone: harmless.
  CHECK(sender.valid());
  synod::EventFd wrong;
  CHECK(wrong.Duplicate(0).error_number == EINVAL);
  CHECK(!wrong.Duplicate(1 << 20).ok());
}

void LocksExcludeEachOther() {
  const std::string path = "/tmp/synod-lock-test-" + std::to_string(::getpid());
  synod::FileLock first;
  synod::FileLock second;
  CHECK(first.Lock(path).ok());
  CHECK(second.Lock(path).error_number == EAGAIN);
  CHECK(!second.held());
  first.Unlock();
  CHECK(second.Lock(path).ok());
  second.Unlock();

  // Held by a process that is killed: free again.
  int ready[2];
  if (::pipe(ready) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    synod::FileLock lock;
    const char outcome = lock.Lock(path).ok() ? 'y' : 'n';
    if (::write(ready[1], &outcome, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char outcome = 0;
  CHECK(::read(ready[0], &outcome, 1) == 1 && outcome == 'y');
  CHECK(first.Lock(path).error_number == EAGAIN);
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(first.Lock(path).ok());
  CHECK(!second.Lock("/nowhere/at/all").ok());
  ::unlink(path.c_str());
  ::close(ready[0]);
  ::close(ready[1]);
}

bool IsResident(std::uint8_t* page, std::size_t page_bytes) {
#if defined(__linux__)
  unsigned char resident = 0;
#else
  char resident = 0;
#endif
  return ::mincore(page, page_bytes, &resident) == 0 && (resident & 1) != 0;
}

template <typename MakePresent>
void MakesPagesPresent(MakePresent make_present) {
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  constexpr std::size_t kPages = 16;
  void* address = ::mmap(nullptr, kPages * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(address != MAP_FAILED);
  auto* bytes = static_cast<std::uint8_t*>(address);
  bytes[4 * page_bytes] = 7;
  make_present(std::span(bytes + 3 * page_bytes, 4 * page_bytes));
  CHECK(bytes[4 * page_bytes] == 7);
  for (std::size_t page = 0; page < kPages; ++page)
    CHECK(IsResident(bytes + page * page_bytes, page_bytes) == (page >= 3 && page < 7));
  // Neither the beginning nor the end need be that of a page.
  make_present(std::span(bytes + 10 * page_bytes + 100, page_bytes));
  CHECK(IsResident(bytes + 10 * page_bytes, page_bytes));
  CHECK(IsResident(bytes + 11 * page_bytes, page_bytes));
  CHECK(!IsResident(bytes + 12 * page_bytes, page_bytes));
  make_present(std::span<std::uint8_t>());
  ::munmap(address, kPages * page_bytes);
}

}  // namespace

int main() {
  MakesPagesPresent(synod::Populate);
  MakesPagesPresent(synod::TouchPages);
  OwnsDescriptors();
  SignalsAddUp();
  LocksExcludeEachOther();
  return TEST_RESULT();
}
