// CRC-32C (Castagnoli), as used by log records and frames: reflected polynomial 0x82f63b78, register initialised and
// finally inverted. "123456789" gives 0xe3069283.

#ifndef SYNOD_LOG_CRC32C_H_
#define SYNOD_LOG_CRC32C_H_

#include <cstddef>
#include <cstdint>

namespace synod {

// The checksum of `length` bytes that follow bytes whose checksum is `seed`; 0 for none before.
std::uint32_t Crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t seed);

// The same with tables only; what Crc32c uses on a CPU without instructions for it.
std::uint32_t Crc32cTable(const std::uint8_t* data, std::size_t length, std::uint32_t seed);

// 'sse4.2', 'armv8' or 'table'.
const char* Crc32cKind();

// Copies and yields the checksum of what was copied, in pieces that stay in the first-level cache.
std::uint32_t CopyAndCrc32c(std::uint8_t* target, const std::uint8_t* source, std::size_t length, std::uint32_t seed);

namespace internal {

using Crc32cFunction = std::uint32_t (*)(const std::uint8_t*, std::size_t, std::uint32_t);

// The function that uses this CPU's instructions, or null; one definition per kind of CPU.
Crc32cFunction HardwareCrc32c();
extern const char* const kHardwareCrc32cKind;

// Advances a raw register over `zero_bytes` zeros; for joining streams that were checksummed side by side.
class ZeroAdvance {
 public:
  explicit ZeroAdvance(std::size_t zero_bytes);
  std::uint32_t operator()(std::uint32_t crc) const {
    return table_[0][crc & 0xff] ^ table_[1][(crc >> 8) & 0xff] ^ table_[2][(crc >> 16) & 0xff] ^ table_[3][crc >> 24];
  }

 private:
  std::uint32_t table_[4][256];
};

}  // namespace internal

}  // namespace synod

#endif  // SYNOD_LOG_CRC32C_H_
