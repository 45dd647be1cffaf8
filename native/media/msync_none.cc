#include <cerrno>

#include "media/flush.h"

namespace synod::internal {

Status FlushByMsync(const std::uint8_t*, std::size_t) { return {ENOSYS, "msync"}; }

}  // namespace synod::internal
