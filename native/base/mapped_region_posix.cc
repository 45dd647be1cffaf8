#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/mapped_region.h"
#include "base/unique_fd.h"

namespace synod {

namespace {

#if defined(__linux__)
// Older C libraries do not name these; the kernel's numbers are the same on all CPUs that Node runs on.
#if !defined(MAP_SHARED_VALIDATE)
constexpr int kMapSharedValidate = 0x03;
#else
constexpr int kMapSharedValidate = MAP_SHARED_VALIDATE;
#endif
#if !defined(MAP_SYNC)
constexpr int kMapSync = 0x080000;
#else
constexpr int kMapSync = MAP_SYNC;
#endif
#endif

void* MapSynchronous(std::size_t length, int protection, int fd) {
#if defined(__linux__)
  // With MAP_SHARED alone the kernel would ignore MAP_SYNC where it does not know it, and data would be lost silently.
  return ::mmap(nullptr, length, protection, kMapSharedValidate | kMapSync, fd, 0);
#else
  (void)length, (void)protection, (void)fd;
  errno = EOPNOTSUPP;
  return MAP_FAILED;
#endif
}

}  // namespace

Status MappedRegion::Map(const std::string& path, std::size_t length, bool read_only, bool require_synchronous) {
  Unmap();
  UniqueFd fd(::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
  if (!fd.valid()) return {errno, "open"};
  struct stat information;
  if (::fstat(fd.get(), &information) != 0) return {errno, "fstat"};
  if (!S_ISREG(information.st_mode) || length == 0 || information.st_size < 0 ||
      static_cast<std::uint64_t>(information.st_size) < length) {
    return {EINVAL, "mmap"};
  }
  const int protection = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  bool synchronous = true;
  void* address = MapSynchronous(length, protection, fd.get());
  if (address == MAP_FAILED && (errno == EOPNOTSUPP || errno == EINVAL)) {
    if (require_synchronous) return {EOPNOTSUPP, "mmap"};
    synchronous = false;
    address = ::mmap(nullptr, length, protection, MAP_SHARED, fd.get(), 0);
  }
  if (address == MAP_FAILED) return {errno, "mmap"};
  data_ = static_cast<std::uint8_t*>(address);
  length_ = length;
  synchronous_ = synchronous;
  return Status::Ok();
}

void MappedRegion::Unmap() {
  if (data_ == nullptr) return;
  ::munmap(std::exchange(data_, nullptr), length_);
}

}  // namespace synod
