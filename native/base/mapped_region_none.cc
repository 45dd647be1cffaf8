#include <cerrno>

#include "base/mapped_region.h"

namespace synod {

Status MappedRegion::Map(const std::string&, std::size_t, bool, bool) { return {ENOSYS, "mmap"}; }

void MappedRegion::Unmap() {}

}  // namespace synod
