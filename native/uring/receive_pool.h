// Buffers that the kernel fills when bytes arrive, shared by all connections of a ring.
//
// Life of a buffer:
//
//     given to the kernel --filled, in one piece or several--> lent to JavaScript --last lease back--> given again
//
// A buffer is held by the kernel (once) and by each lease. The holds are counted in an array that JavaScript shares: a
// lease comes back as one subtraction there, and only buffers that nobody holds any more cross the boundary.
//
// Where the kernel can (6.12), a buffer is filled in several pieces, so that small messages do not take a whole one
// each; else one piece is all it takes.

#ifndef SYNOD_URING_RECEIVE_POOL_H_
#define SYNOD_URING_RECEIVE_POOL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "uring/ring.h"

namespace synod {

class ReceivePool {
 public:
  static constexpr std::uint16_t kGroup = 1;

  ReceivePool() = default;
  ~ReceivePool();
  ReceivePool(const ReceivePool&) = delete;
  ReceivePool& operator=(const ReceivePool&) = delete;

  // `buffer_bytes` is the size of each, `buffers_max` (a power of two) how many there may ever be. `holds` has that many
  // elements and lives as long as the pool.
  Status Register(Ring& ring, bool incremental, std::uint32_t buffer_bytes, std::uint32_t buffers_max,
                  std::int32_t* holds);
  // With nothing in flight that could use it.
  void Unregister(Ring& ring);

  bool registered() const { return entries_ != nullptr; }
  bool incremental() const { return incremental_; }
  std::uint32_t buffer_bytes() const { return buffer_bytes_; }
  std::uint32_t count() const { return static_cast<std::uint32_t>(buffers_.size()); }
  // Buffers that the kernel may still fill.
  std::uint32_t available() const { return available_; }

  // More buffers: `memory` is cut into them. It stays where it is as long as the pool. Ids go on from the last.
  void Add(char* memory, std::size_t bytes);

  // A piece of `length` bytes arrived in buffer `id`: takes a hold for the lease and yields where it begins.
  std::uint32_t Fill(std::uint16_t id, std::uint32_t length, bool kernel_keeps);
  // Gives up one hold; the last one gives the buffer to the kernel.
  void Release(std::uint16_t id);
  // For a buffer whose last hold JavaScript has given up.
  void Give(std::uint16_t id);

 private:
  struct BufferState {
    char* memory;
    std::uint32_t filled;
  };

  abi::Buffer* entries_ = nullptr;
  std::size_t entries_bytes_ = 0;
  std::uint16_t mask_ = 0;
  std::uint16_t tail_ = 0;
  bool incremental_ = false;
  std::uint32_t buffer_bytes_ = 0;
  std::uint32_t buffers_max_ = 0;
  std::uint32_t available_ = 0;
  std::int32_t* holds_ = nullptr;
  std::vector<BufferState> buffers_;
};

}  // namespace synod

#endif  // SYNOD_URING_RECEIVE_POOL_H_
