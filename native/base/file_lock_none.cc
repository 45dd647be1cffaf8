#include <cerrno>

#include "base/file_lock.h"

namespace synod {

Status FileLock::Lock(const std::string&) { return {ENOSYS, "flock"}; }

}  // namespace synod
