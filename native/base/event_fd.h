// A descriptor that one thread waits on and others make readable. Signals add up until they are taken.

#ifndef SYNOD_BASE_EVENT_FD_H_
#define SYNOD_BASE_EVENT_FD_H_

#include "base/status.h"
#include "base/unique_fd.h"

namespace synod {

class EventFd {
 public:
  Status Create();
  // A second descriptor of the event behind `fd`. EINVAL where `fd` is not an event's.
  Status Duplicate(int fd);
  // Never blocks, never fails in a way that matters: an event that is full of signals is readable.
  void Signal() const;
  // Takes all signals. False if there were none.
  bool Take() const;
  void Close() { fd_.Reset(); }
  int get() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }

 private:
  UniqueFd fd_;
};

}  // namespace synod

#endif  // SYNOD_BASE_EVENT_FD_H_
