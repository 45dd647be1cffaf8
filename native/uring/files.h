// Writes to files on one ring. A write that the kernel cuts short is continued; what went wrong is final and reported
// once, by token. Several are in flight, and end in any order.

#ifndef SYNOD_URING_FILES_H_
#define SYNOD_URING_FILES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "uring/events.h"
#include "uring/ring.h"
#include "uring/user_data.h"

namespace synod {

class Files {
 public:
  Files(Ring& ring, EventRows& rows) : ring_(ring), rows_(rows) {}

  // Writes `length` bytes at `offset` of the file; `synced`: and makes them durable, with what is needed to read them
  // (RWF_DSYNC). Descriptor and memory stay until kEventWritten with the token that is yielded.
  std::uint32_t Write(int fd, const char* data, std::size_t length, std::uint64_t offset, bool synced);
  // Makes everything written to the file durable (fdatasync).
  std::uint32_t Sync(int fd);

  void OnCompletion(std::uint32_t token, std::int32_t result);
  // JavaScript has seen all rows: tokens of writes that it now knows to be over may be used again.
  void Recycle();

  std::size_t in_flight() const { return in_flight_; }
  std::uint64_t bytes_synced() const { return bytes_synced_; }
  std::uint64_t syncs() const { return syncs_; }

 private:
  // One submission moves no more: the kernel cuts longer ones (at 2 GiB less a page) to an odd length.
  static constexpr std::size_t kWriteBytesMax = 1 << 30;

  struct Request {
    int fd;
    bool sync_only;
    bool synced;
    const char* data;
    std::size_t length;
    std::size_t total;
    std::uint64_t offset;
  };

  std::uint32_t Add(const Request& request);
  void Submit(std::uint32_t token);

  Ring& ring_;
  EventRows& rows_;
  std::vector<Request> requests_;
  std::vector<std::uint32_t> free_;
  // Reported in this batch of rows. Not free before JavaScript has seen the row: a write that it starts while it works
  // through the rows before would get a token whose end it has still to see.
  std::vector<std::uint32_t> reported_;
  std::size_t in_flight_ = 0;
  std::uint64_t bytes_synced_ = 0;
  std::uint64_t syncs_ = 0;
};

}  // namespace synod

#endif  // SYNOD_URING_FILES_H_
