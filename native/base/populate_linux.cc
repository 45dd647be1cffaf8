#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "base/populate.h"

namespace synod {

namespace {

// Since Linux 5.14; older C libraries do not name it.
#if defined(MADV_POPULATE_WRITE)
constexpr int kPopulateWrite = MADV_POPULATE_WRITE;
#else
constexpr int kPopulateWrite = 23;
#endif

}  // namespace

void Populate(std::span<std::uint8_t> range) {
  if (range.empty()) return;
  static const auto page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(range.data()) & ~(page_bytes - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(range.data() + range.size());
  if (::madvise(reinterpret_cast<void*>(begin), end - begin, kPopulateWrite) != 0) TouchPages(range);
}

}  // namespace synod
