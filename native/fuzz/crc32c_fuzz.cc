// The checksum by instructions, by tables, in two parts and while copying is one and the same; nothing is read or
// written beside the range, whose ends lie at the ends of allocations here.

#include <cstring>
#include <memory>

#include "fuzz/fuzz.h"
#include "log/crc32c.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  synod::fuzz::Choices choices(data, length);
  const std::uint32_t seed = choices.Word();
  const std::size_t offset = choices.Below(64);
  // Long streams take another path than short ones.
  const std::size_t repeats = choices.Below(4) == 0 ? 1 + choices.Below(200) : 1;
  const std::size_t split = choices.Word();
  std::size_t count = 0;
  const std::uint8_t* bytes = choices.Take(4096, &count);
  const std::size_t total = count * repeats;
  const auto source = std::make_unique<std::uint8_t[]>(offset + total);
  for (std::size_t at = 0; at < repeats && count > 0; at++) std::memcpy(source.get() + offset + at * count, bytes, count);
  const std::uint8_t* begin = source.get() + offset;
  const std::uint32_t expected = synod::Crc32cTable(begin, total, seed);
  MUST(synod::Crc32c(begin, total, seed) == expected);
  const std::size_t middle = total == 0 ? 0 : split % (total + 1);
  MUST(synod::Crc32c(begin + middle, total - middle, synod::Crc32c(begin, middle, seed)) == expected);
  const auto target = std::make_unique<std::uint8_t[]>(total);
  MUST(synod::CopyAndCrc32c(target.get(), begin, total, seed) == expected);
  MUST(total == 0 || std::memcmp(target.get(), begin, total) == 0);
  // Over itself, by a few bytes.
  const std::size_t shift = std::min<std::size_t>(offset, 7);
  MUST(synod::CopyAndCrc32c(source.get() + offset - shift, begin, total, seed) == expected);
  MUST(total == 0 || std::memcmp(source.get() + offset - shift, target.get(), total) == 0);
  return 0;
}
