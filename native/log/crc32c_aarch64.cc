// CRC-32C by the optional instructions of ARMv8, three streams side by side as on x86-64.

#include <cstring>

#include "log/crc32c.h"

#if defined(__linux__)
#include <sys/auxv.h>
#endif
#include <arm_acle.h>

#if defined(__clang__)
#define SYNOD_TARGET_CRC __attribute__((target("crc")))
#else
#define SYNOD_TARGET_CRC __attribute__((target("+crc")))
#endif

namespace synod::internal {

const char* const kHardwareCrc32cKind = "armv8";

namespace {

constexpr std::size_t kStreamBytes = 1024;

std::uint64_t Load64(const std::uint8_t* data) {
  std::uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

SYNOD_TARGET_CRC std::uint32_t Crc32cArmv8(const std::uint8_t* data, std::size_t length, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  if (length >= 3 * kStreamBytes) {
    static const ZeroAdvance advance(kStreamBytes);
    do {
      std::uint32_t second = 0;
      std::uint32_t third = 0;
      for (std::size_t at = 0; at < kStreamBytes; at += 8) {
        crc = __crc32cd(crc, Load64(data + at));
        second = __crc32cd(second, Load64(data + kStreamBytes + at));
        third = __crc32cd(third, Load64(data + 2 * kStreamBytes + at));
      }
      crc = advance(advance(crc) ^ second) ^ third;
      data += 3 * kStreamBytes;
      length -= 3 * kStreamBytes;
    } while (length >= 3 * kStreamBytes);
  }
  for (; length >= 8; data += 8, length -= 8) crc = __crc32cd(crc, Load64(data));
  for (; length > 0; ++data, --length) crc = __crc32cb(crc, *data);
  return ~crc;
}

bool CpuHasCrc() {
#if defined(__linux__)
  constexpr unsigned long kHwcapCrc32 = 1ul << 7;
  return (getauxval(AT_HWCAP) & kHwcapCrc32) != 0;
#elif defined(__APPLE__)
  return true;  // Every Apple CPU of this kind has them.
#else
  return false;
#endif
}

}  // namespace

Crc32cFunction HardwareCrc32c() { return CpuHasCrc() ? &Crc32cArmv8 : nullptr; }

}  // namespace synod::internal
