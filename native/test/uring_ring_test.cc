// The ring itself: more submissions than it has places, completions in number and order, refusals.

#include "check.h"

#if defined(__linux__)

#include <cstring>
#include <vector>

#include "uring/probe.h"
#include "uring/ring.h"

namespace synod {
namespace {

void Nop(Ring& ring, std::uint64_t user_data) {
  abi::Submission* entry = ring.Next();
  entry->opcode = abi::kOperationNop;
  entry->user_data = user_data;
}

std::size_t Drain(Ring& ring, std::vector<std::uint64_t>& seen) {
  std::size_t count = 0;
  while (const abi::Completion* completion = ring.Peek()) {
    CHECK(completion->result == 0);
    seen.push_back(completion->user_data);
    ring.Drop();
    count++;
  }
  return count;
}

// Nothing is lost where the ring is full, of submissions or of completions, and the order stays.
void TestOverflow() {
  Ring ring;
  CHECK(ring.Open(8, 16).ok());
  std::vector<std::uint64_t> seen;
  constexpr std::uint64_t kCount = 1000;
  for (std::uint64_t index = 0; index < kCount; index++) Nop(ring, index);
  for (int round = 0; round < 10'000 && seen.size() < kCount; round++) {
    if (ring.HasSubmissions() || ring.MustEnter()) (void)ring.Enter();
    Drain(ring, seen);
  }
  CHECK(seen.size() == kCount);
  for (std::uint64_t index = 0; index < seen.size(); index++) CHECK(seen[index] == index);
  CHECK(!ring.HasSubmissions());
}

void TestEmptyEnter() {
  Ring ring;
  CHECK(ring.Open(8, 16).ok());
  CHECK(!ring.HasSubmissions());
  CHECK(ring.Enter() == 0);
  CHECK(ring.Peek() == nullptr);
  const abi::Timespec wait{0, 1'000'000};
  // A wait that runs out is not an error.
  CHECK(ring.Enter(1, &wait) == 0);
}

void TestReopen() {
  for (int round = 0; round < 50; round++) {
    Ring ring;
    CHECK(ring.Open(64, 128).ok());
    Nop(ring, 7);
    if (round % 2 == 0) CHECK(ring.Enter(1) == 0);
    // Closed with a submission that never left, or a completion that nobody took.
  }
}

void TestProbe() {
  const UringProbe probe = ProbeUring();
  CHECK(probe.status.ok());
  Ring ring;
  CHECK(ring.Open(8, 16).ok());
  CHECK(ring.Supports(abi::kOperationNop));
  DirectIoAlignment alignment;
  CHECK(!ReadDirectIoAlignment("/no/such/file", alignment).ok());
  CHECK(ReadDirectIoAlignment("/proc/self/exe", alignment).ok());
}

}  // namespace
}  // namespace synod

int main() {
  const synod::UringProbe probe = synod::ProbeUring();
  if (!probe.status.ok()) {
    std::printf("not run: %s: %s\n", probe.status.system_call, std::strerror(probe.status.error_number));
    return 0;
  }
  synod::TestOverflow();
  synod::TestEmptyEnter();
  synod::TestReopen();
  synod::TestProbe();
  std::printf("%d checks, %d failures\n", synod::test::checks, synod::test::failures);
  return synod::test::failures == 0 ? 0 : 1;
}

#else

int main() { return 0; }

#endif
