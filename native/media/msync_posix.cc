#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "media/flush.h"

namespace synod::internal {

Status FlushByMsync(const std::uint8_t* data, std::size_t length) {
  if (length == 0) return Status::Ok();
  static const auto page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(data) + length;
  const std::uintptr_t page = reinterpret_cast<std::uintptr_t>(data) & ~(page_bytes - 1);
  if (::msync(reinterpret_cast<void*>(page), end - page, MS_SYNC) != 0) return {errno, "msync"};
  return Status::Ok();
}

}  // namespace synod::internal
