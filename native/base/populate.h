// Maps the pages of a memory before anyone stores to them, so that nobody waits for a page fault in the middle of other work.

#ifndef SYNOD_BASE_POPULATE_H_
#define SYNOD_BASE_POPULATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace synod {

// Makes all pages of `range` present and writable, as a store to each would; changes no byte. Where the range ends within a page, that
// whole page.
void Populate(std::span<std::uint8_t> range);

// The same by a store to each page: a page fault for each, which costs 20 times as much where virtual machines are nested.
inline void TouchPages(std::span<std::uint8_t> range) {
  constexpr std::size_t kPageBytes = 4096;
  // An atomic addition of nothing: a store, which makes the page writable, that loses no other thread's store.
  const auto touch = [](std::uint8_t& byte) {
    std::atomic_ref<std::uint8_t>(byte).fetch_add(0, std::memory_order_relaxed);
  };
  for (std::size_t at = 0; at < range.size(); at += kPageBytes) touch(range[at]);
  // Of a range that begins within a page the last step may fall short of the last page.
  if (!range.empty()) touch(range.back());
}

}  // namespace synod

#endif  // SYNOD_BASE_POPULATE_H_
