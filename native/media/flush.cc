#include "media/flush.h"

namespace synod {

namespace {

constexpr Flusher kMsync{"msync", &internal::FlushByMsync};

const Flusher& Choose() {
  const Flusher* flushers[8];
  Flusher::All(flushers);
  return *flushers[0];
}

}  // namespace

std::size_t Flusher::All(const Flusher* target[8]) {
  std::size_t count = internal::CpuFlushers(internal::CachesArePersistent(), target);
  target[count++] = &kMsync;
  return count;
}

const Flusher& Flusher::Best() {
  static const Flusher& best = Choose();
  return best;
}

}  // namespace synod
