#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/event_fd.h"

namespace synod {

Status EventFd::Create() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) return {errno, "eventfd"};
  fd_ = std::move(fd);
  return Status::Ok();
}

Status EventFd::Duplicate(int fd) {
  // A number that is not an event's comes from a mistake, or from an event that was closed and whose number another
  // file got: eight bytes written there would damage it. Where /proc is not mounted this cannot be seen.
  char path[32];
  char target[32] = {};
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  if (::readlink(path, target, sizeof(target) - 1) > 0 && std::strstr(target, "[eventfd]") == nullptr) {
    return {EINVAL, "dup"};
  }
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return {errno, "dup"};
  fd_ = std::move(copy);
  return Status::Ok();
}

void EventFd::Signal() const {
  const std::uint64_t one = 1;
  while (::write(fd_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

bool EventFd::Take() const {
  std::uint64_t count = 0;
  ssize_t length;
  do {
    length = ::read(fd_.get(), &count, sizeof(count));
  } while (length < 0 && errno == EINTR);
  return length > 0;
}

}  // namespace synod
