#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "base/file_lock.h"

namespace synod {

Status FileLock::Lock(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd.valid()) return {errno, "open"};
  int result;
  do {
    result = ::flock(fd.get(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return {errno == EWOULDBLOCK ? EAGAIN : errno, "flock"};
  fd_ = std::move(fd);
  return Status::Ok();
}

}  // namespace synod
