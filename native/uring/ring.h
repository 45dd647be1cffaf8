// One io_uring by raw system calls. Used by one thread, the one that opened it: the kernel insists
// (SINGLE_ISSUER), and in return leaves out locks and interrupts.
//
// Cooperative (COOP_TASKRUN): completions are made when this thread is in the kernel anyway, it is not interrupted for
// them. The ring's descriptor becomes readable with each, so an event loop can poll it. Not deferred (DEFER_TASKRUN):
// there the descriptor says nothing before the thread enters the kernel to ask, so a thread that sleeps in epoll is
// never woken; docs/decisions/0004-io-uring.md.

#ifndef SYNOD_URING_RING_H_
#define SYNOD_URING_RING_H_

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/status.h"
#include "base/unique_fd.h"
#include "uring/abi.h"

namespace synod {

class Ring {
 public:
  Ring() = default;
  ~Ring() { Close(); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Sizes are powers of two.
  Status Open(unsigned submission_entries, unsigned completion_entries);
  // The kernel cancels what is in flight, in its own time: finish it first where memory depends on it.
  void Close();

  int fd() const { return fd_.get(); }
  bool open() const { return fd_.valid(); }
  bool Supports(abi::Operation operation) const;

  // A cleared entry to fill in; it goes out with the next Enter. Never fails: beyond the ring's size entries wait in
  // memory.
  abi::Submission* Next();
  // True where something waits for Enter.
  bool HasSubmissions() const { return local_tail_ != Acquire(submission_head_) || !overflow_.empty(); }

  // Submits everything and has the kernel make completions. Yields 0, or the errno with which it refused: what could
  // not be submitted then stays queued. EBUSY and EAGAIN mean later.
  int Enter(unsigned wait_count = 0, const abi::Timespec* timeout = nullptr);
  // True where completions cannot be seen before Enter.
  bool MustEnter() const {
    return (Acquire(submission_flags_) & (abi::kSubmissionRingTaskRun | abi::kSubmissionRingOverflow)) != 0;
  }

  // The oldest completion, or null. Valid until Drop.
  const abi::Completion* Peek() const {
    const std::uint32_t head = *completion_head_;
    if (head == Acquire(completion_tail_)) return nullptr;
    return &completions_[head & completion_mask_];
  }
  void Drop() { __atomic_store_n(completion_head_, *completion_head_ + 1, __ATOMIC_RELEASE); }

  // How often the kernel was entered.
  std::uint64_t enters() const { return enters_; }

 private:
  static std::uint32_t Acquire(const std::uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
  Status Map(const abi::Parameters& parameters);
  unsigned MoveOverflow();
  abi::Submission* TakeSlot();

  UniqueFd fd_;
  abi::Probe probe_{};

  char* rings_ = nullptr;
  std::size_t rings_bytes_ = 0;
  abi::Submission* submissions_ = nullptr;
  std::size_t submissions_bytes_ = 0;

  std::uint32_t* submission_head_ = nullptr;
  std::uint32_t* submission_tail_ = nullptr;
  std::uint32_t* submission_flags_ = nullptr;
  std::uint32_t submission_mask_ = 0;
  std::uint32_t submission_entries_ = 0;
  // What the kernel has not been told of: [*submission_tail_, local_tail_).
  std::uint32_t local_tail_ = 0;

  std::uint32_t* completion_head_ = nullptr;
  std::uint32_t* completion_tail_ = nullptr;
  std::uint32_t completion_mask_ = 0;
  abi::Completion* completions_ = nullptr;

  // Entries that found the ring full. A deque, because Next hands out pointers into it.
  std::deque<abi::Submission> overflow_;
  std::uint64_t enters_ = 0;
};

}  // namespace synod

#endif  // SYNOD_URING_RING_H_
