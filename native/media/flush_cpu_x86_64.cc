#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "media/flush.h"

#if defined(_MSC_VER)
#define SYNOD_TARGET(name)
#else
#define SYNOD_TARGET(name) __attribute__((target(name)))
#endif

namespace synod::internal {

namespace {

std::uintptr_t LineOf(const std::uint8_t* data) {
  return reinterpret_cast<std::uintptr_t>(data) & ~(static_cast<std::uintptr_t>(kCacheLineBytes) - 1);
}

std::uintptr_t EndOf(const std::uint8_t* data, std::size_t length) {
  return reinterpret_cast<std::uintptr_t>(data) + length;
}

// clwb and clflushopt are ordered with stores to the same line, and among themselves by nothing but the fence.
SYNOD_TARGET("clwb") Status FlushByClwb(const std::uint8_t* data, std::size_t length) {
  for (std::uintptr_t line = LineOf(data), end = EndOf(data, length); line < end; line += kCacheLineBytes) {
    _mm_clwb(reinterpret_cast<void*>(line));
  }
  _mm_sfence();
  return Status::Ok();
}

SYNOD_TARGET("clflushopt") Status FlushByClflushopt(const std::uint8_t* data, std::size_t length) {
  for (std::uintptr_t line = LineOf(data), end = EndOf(data, length); line < end; line += kCacheLineBytes) {
    _mm_clflushopt(reinterpret_cast<void*>(line));
  }
  _mm_sfence();
  return Status::Ok();
}

Status FlushByClflush(const std::uint8_t* data, std::size_t length) {
  for (std::uintptr_t line = LineOf(data), end = EndOf(data, length); line < end; line += kCacheLineBytes) {
    _mm_clflush(reinterpret_cast<void*>(line));
  }
  // clflush is ordered with stores, but not with the non-temporal ones that memcpy may use for long copies.
  _mm_sfence();
  return Status::Ok();
}

Status FenceOnly(const std::uint8_t*, std::size_t) {
  _mm_sfence();
  return Status::Ok();
}

constexpr Flusher kClwb{"clwb", &FlushByClwb};
constexpr Flusher kClflushopt{"clflushopt", &FlushByClflushopt};
constexpr Flusher kClflush{"clflush", &FlushByClflush};
constexpr Flusher kFenceOnly{"fence only", &FenceOnly};

struct Features {
  bool clflush = false;
  bool clflushopt = false;
  bool clwb = false;
};

Features Detect() {
  unsigned registers[4] = {0, 0, 0, 0};  // a, b, c, d
  Features features;
#if defined(_MSC_VER)
  __cpuid(reinterpret_cast<int*>(registers), 1);
  features.clflush = (registers[3] >> 19 & 1) != 0;
  __cpuidex(reinterpret_cast<int*>(registers), 7, 0);
#else
  if (__get_cpuid(1, &registers[0], &registers[1], &registers[2], &registers[3]) == 0) return features;
  features.clflush = (registers[3] >> 19 & 1) != 0;
  if (__get_cpuid_count(7, 0, &registers[0], &registers[1], &registers[2], &registers[3]) == 0) return features;
#endif
  features.clflushopt = (registers[1] >> 23 & 1) != 0;
  features.clwb = (registers[1] >> 24 & 1) != 0;
  return features;
}

}  // namespace

std::size_t CpuFlushers(bool caches_are_persistent, const Flusher* target[7]) {
  const Features features = Detect();
  std::size_t count = 0;
  if (caches_are_persistent) target[count++] = &kFenceOnly;
  if (features.clwb) target[count++] = &kClwb;
  if (features.clflushopt) target[count++] = &kClflushopt;
  if (features.clflush) target[count++] = &kClflush;
  return count;
}

}  // namespace synod::internal
