// A file mapped into memory, shared with every process that maps it.

#ifndef SYNOD_BASE_MAPPED_REGION_H_
#define SYNOD_BASE_MAPPED_REGION_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/status.h"

namespace synod {

class MappedRegion {
 public:
  MappedRegion() = default;
  MappedRegion(MappedRegion&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), length_(other.length_), synchronous_(other.synchronous_) {}
  MappedRegion& operator=(MappedRegion&&) = delete;
  MappedRegion(const MappedRegion&) = delete;
  MappedRegion& operator=(const MappedRegion&) = delete;
  ~MappedRegion() { Unmap(); }

  // Maps the first `length` bytes of the file at `path`. Refuses a shorter file (EINVAL): touching memory past a
  // file's end raises SIGBUS, which would end the process. Asks for MAP_SYNC first; where the file cannot have that,
  // fails with EOPNOTSUPP if `require_synchronous`, else maps it without.
  Status Map(const std::string& path, std::size_t length, bool read_only, bool require_synchronous);

  // Idempotent.
  void Unmap();

  std::span<std::uint8_t> bytes() const { return {data_, data_ == nullptr ? 0 : length_}; }
  // True where a flushed cache line is durable: the file lies on persistent memory and its metadata is kept in step.
  bool synchronous() const { return synchronous_; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t length_ = 0;
  bool synchronous_ = false;
};

}  // namespace synod

#endif  // SYNOD_BASE_MAPPED_REGION_H_
