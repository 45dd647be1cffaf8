// Owner of a file descriptor.

#ifndef SYNOD_BASE_UNIQUE_FD_H_
#define SYNOD_BASE_UNIQUE_FD_H_

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

#include <utility>

namespace synod {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

  // Never retried after EINTR: Linux has freed the number by then, and another thread may have it already.
  void Reset() {
    if (fd_ < 0) return;
#if defined(_WIN32)
    ::_close(std::exchange(fd_, -1));
#else
    ::close(std::exchange(fd_, -1));
#endif
  }

 private:
  int fd_ = -1;
};

}  // namespace synod

#endif  // SYNOD_BASE_UNIQUE_FD_H_
