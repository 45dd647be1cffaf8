#include "media/flush.h"

#if defined(__linux__)
#include <sys/auxv.h>
#endif

namespace synod::internal {

namespace {

#if defined(__linux__)

// DC CVAP cleans a line to the point of persistence. Spelled as the system instruction that it is, so that assemblers
// which do not know ARMv8.2 take it.
Status FlushByDcCvap(const std::uint8_t* data, std::size_t length) {
  std::uint64_t type = 0;
  asm volatile("mrs %0, ctr_el0" : "=r"(type));
  const std::uintptr_t line_bytes = std::uintptr_t{4} << (type >> 16 & 15);
  const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(data) + length;
  for (std::uintptr_t line = reinterpret_cast<std::uintptr_t>(data) & ~(line_bytes - 1); line < end; line += line_bytes) {
    asm volatile("sys #3, c7, c12, #1, %0" : : "r"(line) : "memory");
  }
  asm volatile("dsb sy" : : : "memory");
  return Status::Ok();
}

Status FenceOnly(const std::uint8_t*, std::size_t) {
  asm volatile("dsb sy" : : : "memory");
  return Status::Ok();
}

constexpr Flusher kDcCvap{"dc cvap", &FlushByDcCvap};
constexpr Flusher kFenceOnly{"fence only", &FenceOnly};

#endif

}  // namespace

std::size_t CpuFlushers(bool caches_are_persistent, const Flusher* target[7]) {
  std::size_t count = 0;
#if defined(__linux__)
  constexpr unsigned long kHwcapPersistence = 1ul << 16;
  if (caches_are_persistent) target[count++] = &kFenceOnly;
  if ((getauxval(AT_HWCAP) & kHwcapPersistence) != 0) target[count++] = &kDcCvap;
#else
  (void)caches_are_persistent, (void)target;
#endif
  return count;
}

}  // namespace synod::internal
