#include "uring/engine.h"

#include <chrono>

namespace synod {

namespace {

// Rounds of one flush: enough for what a socket buffer takes at once, few enough that a fast peer cannot hold the
// turn.
constexpr int kFlushRoundsMax = 4;

}  // namespace

Engine::Engine(const EngineMemory& memory)
    : files_(ring_, rows_), sockets_(ring_, pool_, rows_, memory.bytes_sent), holds_(memory.holds) {
  rows_.Attach(memory.rows);
}

Engine::~Engine() {
  if (ring_.open()) pool_.Unregister(ring_);
}

Status Engine::Open() { return ring_.Open(kSubmissionEntries, kCompletionEntries); }

Status Engine::OpenPool(bool incremental, std::uint32_t buffer_bytes) {
  return pool_.Register(ring_, incremental, buffer_bytes, kBuffersMax, holds_);
}

void Engine::AddReceiveMemory(char* memory, std::size_t bytes) {
  pool_.Add(memory, bytes);
  sockets_.ResumeStarved();
}

void Engine::Dispatch(const abi::Completion& completion) {
  const OperationKind kind = KindOf(completion.user_data);
  const std::uint32_t index = IndexOf(completion.user_data);
  switch (kind) {
    case OperationKind::kNone:
      break;
    case OperationKind::kFile:
      files_.OnCompletion(index, completion.result);
      break;
    default:
      sockets_.OnCompletion(kind, index, completion.result, completion.flags);
      break;
  }
}

// Takes completions from the head of the queue as long as they are sends. Rows may be in JavaScript's hands right now
// (a flush comes from inside its handler), and a send writes none: it is only counted, for Report.
void Engine::CountSendsOnly() {
  while (const abi::Completion* completion = ring_.Peek()) {
    const OperationKind kind = KindOf(completion->user_data);
    if (kind != OperationKind::kSend && kind != OperationKind::kNone) break;
    const abi::Completion copy = *completion;
    ring_.Drop();
    Dispatch(copy);
  }
}

void Engine::Flush() {
  sockets_.ResumeStarved();
  unfinished_ = false;
  for (int round = 0; round < kFlushRoundsMax; round++) {
    sockets_.StartSends();
    if (!ring_.HasSubmissions()) return;
    refused_ = ring_.Enter() != 0;
    if (refused_) return;
    CountSendsOnly();
  }
  // The kernel has taken all that it was given, so no completion will bring up the rest.
  unfinished_ = sockets_.HasSends();
}

bool Engine::Collect() {
  if (ring_.MustEnter()) refused_ = ring_.Enter() != 0;
  while (rows_.HasRoom()) {
    const abi::Completion* completion = ring_.Peek();
    if (completion == nullptr) break;
    const abi::Completion copy = *completion;
    // Dropped first: what handling it submits may complete at once and needs the place.
    ring_.Drop();
    Dispatch(copy);
  }
  sockets_.Report();
  return rows_.count() > 0;
}

void Engine::Recycle() {
  rows_.Clear();
  files_.Recycle();
  sockets_.Recycle();
}

bool Engine::NeedsTick(bool* urgent) const {
  *urgent = unfinished_ || sockets_.HasUrgentReport() || (ring_.HasSubmissions() && !refused_);
  return *urgent || refused_ || sockets_.HasReport();
}

bool Engine::Stop(int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  sockets_.CloseAll();
  while (sockets_.in_flight() > 0 || files_.in_flight() > 0) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    const abi::Timespec wait{0, left < 50'000'000 ? left : 50'000'000};
    // Where the kernel refuses to wait, the next round asks again, until the deadline.
    (void)ring_.Enter(ring_.Peek() == nullptr ? 1 : 0, &wait);
    while (const abi::Completion* completion = ring_.Peek()) {
      const abi::Completion copy = *completion;
      ring_.Drop();
      Dispatch(copy);
      rows_.Clear();
    }
  }
  return true;
}

}  // namespace synod
