#include <cerrno>

#include "base/event_fd.h"

namespace synod {

Status EventFd::Create() { return {ENOSYS, "eventfd"}; }
Status EventFd::Duplicate(int) { return {ENOSYS, "eventfd"}; }
void EventFd::Signal() const {}
bool EventFd::Take() const { return false; }

}  // namespace synod
