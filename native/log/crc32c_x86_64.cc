// CRC-32C by the instruction of SSE4.2. It has a latency of three cycles and starts one each cycle: a long input is
// cut into three streams that run side by side and are joined by advancing the first two over the others' length.

#include <cstring>

#include "log/crc32c.h"

#if defined(_MSC_VER)
#include <intrin.h>
#define SYNOD_TARGET_SSE42
#else
#include <cpuid.h>
#include <nmmintrin.h>
#define SYNOD_TARGET_SSE42 __attribute__((target("sse4.2")))
#endif

namespace synod::internal {

const char* const kHardwareCrc32cKind = "sse4.2";

namespace {

constexpr std::size_t kLongBytes = 2048;
constexpr std::size_t kShortBytes = 256;

std::uint64_t Load64(const std::uint8_t* data) {
  std::uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

// Handles whole groups of three streams of kStream bytes each.
template <std::size_t kStream>
SYNOD_TARGET_SSE42 std::uint64_t ThreeStreams(std::uint64_t crc, const std::uint8_t*& data, std::size_t& length,
                                              const ZeroAdvance& advance) {
  while (length >= 3 * kStream) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t at = 0; at < kStream; at += 8) {
      crc = _mm_crc32_u64(crc, Load64(data + at));
      second = _mm_crc32_u64(second, Load64(data + kStream + at));
      third = _mm_crc32_u64(third, Load64(data + 2 * kStream + at));
    }
    crc = advance(static_cast<std::uint32_t>(crc)) ^ second;
    crc = advance(static_cast<std::uint32_t>(crc)) ^ third;
    data += 3 * kStream;
    length -= 3 * kStream;
  }
  return crc;
}

SYNOD_TARGET_SSE42 std::uint32_t Crc32cSse42(const std::uint8_t* data, std::size_t length, std::uint32_t seed) {
  std::uint64_t crc = static_cast<std::uint32_t>(~seed);
  if (length >= 3 * kShortBytes) {
    static const ZeroAdvance over_long(kLongBytes);
    static const ZeroAdvance over_short(kShortBytes);
    crc = ThreeStreams<kLongBytes>(crc, data, length, over_long);
    crc = ThreeStreams<kShortBytes>(crc, data, length, over_short);
  }
  for (; length >= 8; data += 8, length -= 8) crc = _mm_crc32_u64(crc, Load64(data));
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; length > 0; ++data, --length) narrow = _mm_crc32_u8(narrow, *data);
  return ~narrow;
}

bool CpuHasSse42() {
#if defined(_MSC_VER)
  int registers[4];
  __cpuid(registers, 1);
  return (registers[2] & (1 << 20)) != 0;
#else
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_2) != 0;
#endif
}

}  // namespace

Crc32cFunction HardwareCrc32c() { return CpuHasSse42() ? &Crc32cSse42 : nullptr; }

}  // namespace synod::internal
