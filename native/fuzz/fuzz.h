// What every fuzz target needs: a condition that must hold, and the input read as choices.

#ifndef SYNOD_FUZZ_FUZZ_H_
#define SYNOD_FUZZ_FUZZ_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#define MUST(condition)                                                                   \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: MUST failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace synod::fuzz {

// Zeros behind the end.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t length) : data_(data), end_(data + length) {}
  bool more() const { return data_ != end_; }
  std::uint8_t Byte() { return data_ == end_ ? 0 : *data_++; }
  std::uint32_t Word() {
    std::uint32_t word = 0;
    for (int shift = 0; shift < 32; shift += 8) word |= static_cast<std::uint32_t>(Byte()) << shift;
    return word;
  }
  std::uint32_t Below(std::uint32_t bound) { return bound <= 256 ? Byte() % bound : Word() % bound; }
  // As many as there are, at most `count`.
  const std::uint8_t* Take(std::size_t count, std::size_t* taken) {
    const std::uint8_t* data = data_;
    *taken = std::min(count, static_cast<std::size_t>(end_ - data_));
    data_ += *taken;
    return data;
  }

 private:
  const std::uint8_t* data_;
  const std::uint8_t* end_;
};

}  // namespace synod::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length);

#endif  // SYNOD_FUZZ_FUZZ_H_
