#include "log/crc32c.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/copy.h"

namespace synod {

namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;

struct Tables {
  std::uint32_t of[8][256];
};

constexpr Tables MakeTables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables.of[0][byte] = crc;
  }
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    for (int slice = 1; slice < 8; ++slice) {
      const std::uint32_t before = tables.of[slice - 1][byte];
      tables.of[slice][byte] = (before >> 8) ^ tables.of[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

std::uint32_t LoadLittleEndian32(const std::uint8_t* data) {
  return static_cast<std::uint32_t>(data[0]) | static_cast<std::uint32_t>(data[1]) << 8 |
         static_cast<std::uint32_t>(data[2]) << 16 | static_cast<std::uint32_t>(data[3]) << 24;
}

}  // namespace

std::uint32_t Crc32cTable(const std::uint8_t* data, std::size_t length, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  const auto& of = kTables.of;
  while (length >= 8) {
    const std::uint32_t low = crc ^ LoadLittleEndian32(data);
    const std::uint32_t high = LoadLittleEndian32(data + 4);
    crc = of[7][low & 0xff] ^ of[6][(low >> 8) & 0xff] ^ of[5][(low >> 16) & 0xff] ^ of[4][low >> 24] ^
          of[3][high & 0xff] ^ of[2][(high >> 8) & 0xff] ^ of[1][(high >> 16) & 0xff] ^ of[0][high >> 24];
    data += 8;
    length -= 8;
  }
  for (; length > 0; --length) crc = (crc >> 8) ^ of[0][(crc ^ *data++) & 0xff];
  return ~crc;
}

namespace internal {

ZeroAdvance::ZeroAdvance(std::size_t zero_bytes) {
  // The register after zeros is a linear function of the register before, over bits: what each single bit becomes
  // gives all. Walking the zeros for each bit is slow, and happens once.
  std::array<std::uint32_t, 32> column{};
  for (int bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = std::uint32_t{1} << bit;
    for (std::size_t count = 0; count < zero_bytes; ++count) crc = (crc >> 8) ^ kTables.of[0][crc & 0xff];
    column[static_cast<std::size_t>(bit)] = crc;
  }
  for (int byte = 0; byte < 4; ++byte) {
    for (std::uint32_t value = 0; value < 256; ++value) {
      std::uint32_t sum = 0;
      for (int bit = 0; bit < 8; ++bit) {
        if ((value >> bit & 1) != 0) sum ^= column[static_cast<std::size_t>(byte * 8 + bit)];
      }
      table_[byte][value] = sum;
    }
  }
}

}  // namespace internal

namespace {

internal::Crc32cFunction Choose() {
  const internal::Crc32cFunction hardware = internal::HardwareCrc32c();
  return hardware == nullptr ? &Crc32cTable : hardware;
}

internal::Crc32cFunction Chosen() {
  static const internal::Crc32cFunction chosen = Choose();
  return chosen;
}

}  // namespace

std::uint32_t Crc32c(const std::uint8_t* data, std::size_t length, std::uint32_t seed) {
  return Chosen()(data, length, seed);
}

const char* Crc32cKind() { return Chosen() == &Crc32cTable ? "table" : internal::kHardwareCrc32cKind; }

std::uint32_t CopyAndCrc32c(std::uint8_t* target, const std::uint8_t* source, std::size_t length, std::uint32_t seed) {
  const internal::Crc32cFunction checksum = Chosen();
  // The checksum is taken of the copy, so that it vouches for what is in the log even if another thread changes the
  // source meanwhile.
  if (Overlap(target, source, length)) {
    std::memmove(target, source, length);
    return checksum(target, length, seed);
  }
  // Two groups of the checksum's long streams, and small enough to be in the first-level cache when it reads them.
  constexpr std::size_t kPieceBytes = 12 * 1024;
  while (length > 0) {
    const std::size_t piece = std::min(length, kPieceBytes);
    CopyBytes(target, source, piece);
    seed = checksum(target, piece, seed);
    target += piece;
    source += piece;
    length -= piece;
  }
  return seed;
}

}  // namespace synod
