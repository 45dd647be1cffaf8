#include "media/flush.h"

namespace synod::internal {

bool CachesArePersistent() { return false; }

}  // namespace synod::internal
