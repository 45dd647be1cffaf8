// The receive pool under any order of arrivals and returns: a buffer is with the kernel or lent, never both in whole, and
// what was filled does not overlap. The kernel is played here; only the registration is real.

#include <array>
#include <memory>
#include <vector>

#include "fuzz/fuzz.h"
#include "uring/receive_pool.h"
#include "uring/ring.h"

namespace {

constexpr std::uint32_t kBuffersMax = 16;
constexpr std::uint32_t kBufferBytes = 4096;

struct Buffer {
  bool with_kernel = true;
  std::uint32_t filled = 0;
  std::uint32_t leases = 0;
};

synod::Ring* OpenRing() {
  static synod::Ring ring;
  static const bool opened = [] {
    const bool ok = ring.Open(16, 64).ok();
    if (!ok) std::fprintf(stderr, "receive_pool_fuzz: no io_uring here: nothing is tested\n");
    return ok;
  }();
  return opened ? &ring : nullptr;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  synod::Ring* ring = OpenRing();
  if (ring == nullptr) return 0;
  synod::fuzz::Choices choices(data, length);
  std::array<std::int32_t, kBuffersMax> holds{};
  const auto memory = std::make_unique<char[]>(kBuffersMax * kBufferBytes);
  std::vector<Buffer> buffers;
  synod::ReceivePool pool;
  MUST(pool.Register(*ring, choices.Below(2) == 0, kBufferBytes, kBuffersMax, holds.data()).ok());
  for (int step = 0; step < 400 && choices.more(); step++) {
    switch (choices.Below(4)) {
      case 0: {
        const std::uint32_t count = choices.Below(8);
        // Some bytes too many or too few: only whole buffers count.
        const std::size_t bytes = count * kBufferBytes + choices.Below(256);
        const std::size_t room = (kBuffersMax - buffers.size()) * kBufferBytes;
        if (bytes > room) break;
        pool.Add(memory.get() + buffers.size() * kBufferBytes, bytes);
        for (std::uint32_t index = 0; index < count; index++) buffers.push_back({});
        break;
      }
      case 1: {
        if (buffers.empty()) break;
        const std::uint32_t id = choices.Below(static_cast<std::uint32_t>(buffers.size()));
        Buffer& buffer = buffers[id];
        if (!buffer.with_kernel) break;
        const std::uint32_t room = kBufferBytes - buffer.filled;
        const std::uint32_t count = 1 + choices.Word() % room;
        const bool keeps = pool.incremental() && count < room && choices.Below(2) == 0;
        MUST(pool.Fill(static_cast<std::uint16_t>(id), count, keeps) == buffer.filled);
        buffer.filled += count;
        buffer.leases++;
        buffer.with_kernel = keeps;
        break;
      }
      default: {
        if (buffers.empty()) break;
        const std::uint32_t id = choices.Below(static_cast<std::uint32_t>(buffers.size()));
        Buffer& buffer = buffers[id];
        if (buffer.leases == 0) break;
        buffer.leases--;
        if (choices.Below(2) == 0) {
          pool.Release(static_cast<std::uint16_t>(id));
        } else if (--holds[id] == 0) {
          // As JavaScript does it.
          pool.Give(static_cast<std::uint16_t>(id));
        }
        if (buffer.leases == 0 && !buffer.with_kernel) buffer = {};
      }
    }
    std::uint32_t available = 0;
    for (std::size_t id = 0; id < buffers.size(); id++) {
      if (buffers[id].with_kernel) available++;
      MUST(holds[id] == static_cast<std::int32_t>(buffers[id].leases + (buffers[id].with_kernel ? 1 : 0)));
    }
    MUST(pool.count() == buffers.size());
    MUST(pool.available() == available);
  }
  pool.Unregister(*ring);
  return 0;
}
