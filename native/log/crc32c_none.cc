#include "log/crc32c.h"

namespace synod::internal {

const char* const kHardwareCrc32cKind = "table";

Crc32cFunction HardwareCrc32c() { return nullptr; }

}  // namespace synod::internal
