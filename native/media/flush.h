// Makes stores to a MAP_SYNC mapping durable: writes the cache lines back and waits for it. The instruction is chosen
// once, from what the CPU has; one definition per kind of CPU.

#ifndef SYNOD_MEDIA_FLUSH_H_
#define SYNOD_MEDIA_FLUSH_H_

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace synod {

inline constexpr std::size_t kCacheLineBytes = 64;

class Flusher {
 public:
  // Writes back every cache line that has a byte of [data, data + length), then fences: when it returns, the bytes
  // are durable. Fails only where it is a system call (msync).
  using Function = Status (*)(const std::uint8_t* data, std::size_t length);

  Status Flush(const std::uint8_t* data, std::size_t length) const { return function_(data, length); }
  // 'clwb', 'clflushopt', 'clflush', 'dc cvap', 'fence only' or 'msync'.
  const char* instruction() const { return instruction_; }

  // The best for this machine.
  static const Flusher& Best();

  // All that work on this machine, best first, with 'msync' where there are files to map at all; for tests.
  static std::size_t All(const Flusher* target[8]);

  constexpr Flusher(const char* instruction, Function function) : instruction_(instruction), function_(function) {}

 private:
  const char* instruction_;
  Function function_;
};

namespace internal {

// Fills in the CPU's own ways, best first; yields how many. `caches_are_persistent`: the platform's power reserve
// covers the caches (eADR), so that a fence is all it takes.
std::size_t CpuFlushers(bool caches_are_persistent, const Flusher* target[7]);

// True if every region of persistent memory that the kernel knows says that its persistence domain has the caches.
bool CachesArePersistent();

// Works everywhere, by page and by system call.
Status FlushByMsync(const std::uint8_t* data, std::size_t length);

}  // namespace internal

}  // namespace synod

#endif  // SYNOD_MEDIA_FLUSH_H_
