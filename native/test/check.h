// The least that a test needs: CHECK counts failures and says where; RUN_TESTS at the end is the exit code.

#ifndef SYNOD_TEST_CHECK_H_
#define SYNOD_TEST_CHECK_H_

#include <cstdint>
#include <cstdio>

namespace synod::test {

inline int failures = 0;
inline int checks = 0;

// xorshift64*: the same numbers on every run, so that a failure can be had again.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }
  std::uint64_t Below(std::uint64_t bound) { return Next() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace synod::test

#define CHECK(condition)                                                              \
  do {                                                                                \
    ++synod::test::checks;                                                            \
    if (!(condition)) {                                                               \
      ++synod::test::failures;                                                        \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                                 \
  } while (false)

#define TEST_RESULT()                                                                                       \
  (std::printf("%d checks, %d failed\n", synod::test::checks, synod::test::failures), \
   synod::test::failures == 0 && synod::test::checks > 0 ? 0 : 1)

#endif  // SYNOD_TEST_CHECK_H_
