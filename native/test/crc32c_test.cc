// CRC-32C against a reference that goes bit by bit and is obviously right: every length around the places where the
// fast code changes its way, every alignment, chained at every kind of cut.

#include "log/crc32c.h"

#include <cstring>
#include <vector>

#include "base/copy.h"
#include "test/check.h"

namespace {

std::uint32_t Reference(const std::uint8_t* data, std::size_t length, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  for (std::size_t at = 0; at < length; ++at) {
    crc ^= data[at];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

void KnownValues() {
  const auto* digits = reinterpret_cast<const std::uint8_t*>("123456789");
  CHECK(synod::Crc32c(digits, 9, 0) == 0xe3069283);
  CHECK(synod::Crc32cTable(digits, 9, 0) == 0xe3069283);
  CHECK(Reference(digits, 9, 0) == 0xe3069283);
  // From RFC 3720, B.4.
  std::vector<std::uint8_t> bytes(32, 0);
  CHECK(synod::Crc32c(bytes.data(), 32, 0) == 0x8a9136aa);
  bytes.assign(32, 0xff);
  CHECK(synod::Crc32c(bytes.data(), 32, 0) == 0x62a8ab43);
  CHECK(synod::Crc32c(bytes.data(), 0, 0) == 0);
  CHECK(synod::Crc32c(bytes.data(), 0, 0x12345678) == 0x12345678);
}

void EveryLengthAndAlignment(synod::test::Random& random) {
  std::vector<std::uint8_t> bytes(40000);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.Next());
  const auto check = [&](std::size_t start, std::size_t length) {
    const auto seed = static_cast<std::uint32_t>(random.Next());
    const std::uint32_t expected = Reference(bytes.data() + start, length, seed);
    CHECK(synod::Crc32c(bytes.data() + start, length, seed) == expected);
    CHECK(synod::Crc32cTable(bytes.data() + start, length, seed) == expected);
  };
  for (std::size_t length = 0; length <= 300; ++length) check(random.Below(16), length);
  for (std::size_t around : {768u, 1536u, 3072u, 6144u, 12288u, 18432u}) {
    for (std::size_t length = around - 9; length <= around + 9; ++length) check(random.Below(16), length);
  }
  for (int round = 0; round < 300; ++round) check(random.Below(64), random.Below(39900));
}

void Chained(synod::test::Random& random) {
  std::vector<std::uint8_t> bytes(20000);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.Next());
  const std::uint32_t whole = Reference(bytes.data(), bytes.size(), 0);
  for (int round = 0; round < 200; ++round) {
    const std::size_t first = random.Below(bytes.size() + 1);
    const std::size_t second = first + random.Below(bytes.size() - first + 1);
    std::uint32_t crc = synod::Crc32c(bytes.data(), first, 0);
    crc = synod::Crc32c(bytes.data() + first, second - first, crc);
    crc = synod::Crc32c(bytes.data() + second, bytes.size() - second, crc);
    CHECK(crc == whole);
  }
}

void Copying(synod::test::Random& random) {
  std::vector<std::uint8_t> source(50000);
  for (auto& byte : source) byte = static_cast<std::uint8_t>(random.Next());
  for (int round = 0; round < 200; ++round) {
    const std::size_t start = random.Below(64);
    const std::size_t length = random.Below(source.size() - start);
    std::vector<std::uint8_t> target(length + 32, 0xee);
    const auto seed = static_cast<std::uint32_t>(random.Next());
    const std::uint32_t crc = synod::CopyAndCrc32c(target.data() + 16, source.data() + start, length, seed);
    CHECK(crc == Reference(source.data() + start, length, seed));
    CHECK(std::memcmp(target.data() + 16, source.data() + start, length) == 0);
    CHECK(target[15] == 0xee && target[length + 16] == 0xee);
  }
}

void CopyingOverItself(synod::test::Random& random) {
  std::vector<std::uint8_t> original(8000);
  for (auto& byte : original) byte = static_cast<std::uint8_t>(random.Next());
  for (int round = 0; round < 200; ++round) {
    std::vector<std::uint8_t> bytes = original;
    const std::size_t from = random.Below(4000);
    const std::size_t to = random.Below(4000);
    const std::size_t length = random.Below(4001);
    const std::uint32_t expected = Reference(original.data() + from, length, 0);
    CHECK(synod::CopyAndCrc32c(bytes.data() + to, bytes.data() + from, length, 0) == expected);
    CHECK(std::memcmp(bytes.data() + to, original.data() + from, length) == 0);
    bytes = original;
    synod::CopyBytes(bytes.data() + to, bytes.data() + from, length);
    CHECK(std::memcmp(bytes.data() + to, original.data() + from, length) == 0);
  }
}

void Advancing(synod::test::Random& random) {
  const std::vector<std::uint8_t> zeros(5000, 0);
  for (int round = 0; round < 20; ++round) {
    const std::size_t length = random.Below(zeros.size());
    const synod::internal::ZeroAdvance advance(length);
    const auto raw = static_cast<std::uint32_t>(random.Next());
    // A raw register is the inverse of a checksum.
    CHECK(advance(raw) == ~Reference(zeros.data(), length, ~raw));
  }
}

}  // namespace

int main() {
  synod::test::Random random(20240607);
  std::printf("checksum by %s\n", synod::Crc32cKind());
  KnownValues();
  EveryLengthAndAlignment(random);
  Chained(random);
  Copying(random);
  CopyingOverItself(random);
  Advancing(random);
  return TEST_RESULT();
}
