// A lock on a whole file that the kernel gives back when its holder ends, however it ends. It belongs to the opening of
// the file: two openings exclude each other in one process too.

#ifndef SYNOD_BASE_FILE_LOCK_H_
#define SYNOD_BASE_FILE_LOCK_H_

#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace synod {

class FileLock {
 public:
  // EAGAIN where another opening holds it. Makes the file if it is missing, and never deletes it: a lock on a deleted
  // file would exclude nobody who comes later.
  Status Lock(const std::string& path);
  // Idempotent.
  void Unlock() { fd_.Reset(); }
  bool held() const { return fd_.valid(); }

 private:
  UniqueFd fd_;
};

}  // namespace synod

#endif  // SYNOD_BASE_FILE_LOCK_H_
