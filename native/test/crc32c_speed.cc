// What the checksum reaches here, in GB/s, best of several runs.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "log/crc32c.h"

namespace {

template <typename Function>
double Measure(std::size_t length, Function function) {
  std::vector<std::uint8_t> bytes(length, 7);
  std::vector<std::uint8_t> target(length);
  const std::size_t rounds = std::max<std::size_t>(1, (std::size_t{64} << 20) / length);
  double best = 0;
  std::uint32_t crc = 0;
  for (int run = 0; run < 7; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t round = 0; round < rounds; ++round) crc = function(target.data(), bytes.data(), length, crc);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(rounds * length) / taken.count() / 1e9);
  }
  // Used, so that the work is not left out.
  if (crc == 0x12345678) std::puts("");
  return best;
}

}  // namespace

int main() {
  std::printf("%8s  %10s  %10s  %10s\n", "bytes", synod::Crc32cKind(), "table", "copy+crc");
  for (std::size_t length : {std::size_t{64}, std::size_t{1024}, std::size_t{4096}, std::size_t{65536}}) {
    const double fast = Measure(length, [](std::uint8_t*, const std::uint8_t* data, std::size_t size, std::uint32_t crc) {
      return synod::Crc32c(data, size, crc);
    });
    const double table = Measure(length, [](std::uint8_t*, const std::uint8_t* data, std::size_t size, std::uint32_t crc) {
      return synod::Crc32cTable(data, size, crc);
    });
    const double copy = Measure(length, [](std::uint8_t* to, const std::uint8_t* data, std::size_t size, std::uint32_t crc) {
      return synod::CopyAndCrc32c(to, data, size, crc);
    });
    std::printf("%8zu  %10.2f  %10.2f  %10.2f\n", length, fast, table, copy);
  }
}
