#include "uring/ring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace synod {

namespace {

// Without these nothing here is right: one mapping, completions that are never dropped, waits with a bound, and submissions whose
// arguments may go once they were submitted.
constexpr std::uint32_t kFeaturesNeeded = abi::kFeatureSingleMap | abi::kFeatureNoDrop | abi::kFeatureSubmitStable |
                                         abi::kFeatureExtendedArgument;

int Setup(unsigned entries, abi::Parameters* parameters) {
  return static_cast<int>(::syscall(abi::kSysSetup, entries, parameters));
}

}  // namespace

Status Ring::Open(unsigned submission_entries, unsigned completion_entries) {
  constexpr std::uint32_t kBase = abi::kSetupCompletionSize | abi::kSetupClamp;
  constexpr std::uint32_t kCooperative =
      kBase | abi::kSetupSubmitAll | abi::kSetupCooperativeTaskRun | abi::kSetupTaskRunFlag;
  // An older kernel refuses flags that it does not know with EINVAL.
  constexpr std::uint32_t kChoices[] = {kCooperative | abi::kSetupSingleIssuer, kCooperative, kBase};
  abi::Parameters parameters{};
  int fd = -1;
  for (const std::uint32_t choice : kChoices) {
    parameters = {};
    parameters.flags = choice;
    parameters.completion_entries = completion_entries;
    fd = Setup(submission_entries, &parameters);
    if (fd >= 0 || errno != EINVAL) break;
  }
  if (fd < 0) return {errno, "io_uring_setup"};
  fd_ = UniqueFd(fd);
  if ((parameters.features & kFeaturesNeeded) != kFeaturesNeeded) {
    Close();
    return {EOPNOTSUPP, "io_uring_setup"};
  }
  if (const Status status = Map(parameters); !status.ok()) {
    Close();
    return status;
  }
  probe_ = {};
  if (::syscall(abi::kSysRegister, fd_.get(), abi::kRegisterProbe, &probe_, std::size(probe_.operations)) < 0) {
    const int error = errno;
    Close();
    return {error, "io_uring_register"};
  }
  return Status::Ok();
}

Status Ring::Map(const abi::Parameters& parameters) {
  const auto& submission = parameters.submission;
  const auto& completion = parameters.completion;
  rings_bytes_ = std::max<std::size_t>(
      submission.array + parameters.submission_entries * sizeof(std::uint32_t),
      completion.completions + parameters.completion_entries * sizeof(abi::Completion));
  void* rings = ::mmap(nullptr, rings_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_.get(),
                       static_cast<off_t>(abi::kOffsetRings));
  if (rings == MAP_FAILED) return {errno, "mmap"};
  rings_ = static_cast<char*>(rings);
  submissions_bytes_ = parameters.submission_entries * sizeof(abi::Submission);
  void* submissions = ::mmap(nullptr, submissions_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_.get(),
                             static_cast<off_t>(abi::kOffsetSubmissions));
  if (submissions == MAP_FAILED) return {errno, "mmap"};
  submissions_ = static_cast<abi::Submission*>(submissions);

  const auto word = [this](std::uint32_t offset) { return reinterpret_cast<std::uint32_t*>(rings_ + offset); };
  submission_head_ = word(submission.head);
  submission_tail_ = word(submission.tail);
  submission_flags_ = word(submission.flags);
  submission_mask_ = *word(submission.ring_mask);
  submission_entries_ = parameters.submission_entries;
  local_tail_ = *submission_tail_;
  completion_head_ = word(completion.head);
  completion_tail_ = word(completion.tail);
  completion_mask_ = *word(completion.ring_mask);
  completions_ = reinterpret_cast<abi::Completion*>(rings_ + completion.completions);
  // Entry i is always submission i: the indirection is not used.
  std::uint32_t* array = word(submission.array);
  for (std::uint32_t index = 0; index < submission_entries_; index++) array[index] = index;
  return Status::Ok();
}

void Ring::Close() {
  if (submissions_ != nullptr) ::munmap(submissions_, submissions_bytes_);
  if (rings_ != nullptr) ::munmap(rings_, rings_bytes_);
  submissions_ = nullptr;
  rings_ = nullptr;
  overflow_.clear();
  fd_.Reset();
}

bool Ring::Supports(abi::Operation operation) const {
  return operation < probe_.count && (probe_.operations[operation].flags & abi::kProbeSupported) != 0;
}

abi::Submission* Ring::TakeSlot() {
  if (local_tail_ - Acquire(submission_head_) >= submission_entries_) return nullptr;
  abi::Submission* slot = &submissions_[local_tail_ & submission_mask_];
  local_tail_++;
  return slot;
}

abi::Submission* Ring::Next() {
  // Behind entries that wait in memory nothing may overtake: a cancel would miss what it cancels.
  abi::Submission* slot = overflow_.empty() ? TakeSlot() : nullptr;
  if (slot == nullptr && overflow_.empty()) {
    Enter();
    if (overflow_.empty()) slot = TakeSlot();
  }
  if (slot == nullptr) {
    overflow_.emplace_back();
    slot = &overflow_.back();
  }
  std::memset(slot, 0, sizeof(*slot));
  return slot;
}

unsigned Ring::MoveOverflow() {
  while (!overflow_.empty()) {
    abi::Submission* slot = TakeSlot();
    if (slot == nullptr) break;
    *slot = overflow_.front();
    overflow_.pop_front();
  }
  __atomic_store_n(submission_tail_, local_tail_, __ATOMIC_RELEASE);
  return local_tail_ - Acquire(submission_head_);
}

int Ring::Enter(unsigned wait_count, const abi::Timespec* timeout) {
  for (;;) {
    const unsigned count = MoveOverflow();
    std::uint32_t flags = abi::kEnterGetEvents;
    abi::GetEventsArgument argument{};
    void* argument_pointer = nullptr;
    std::size_t argument_size = 0;
    if (timeout != nullptr) {
      flags |= abi::kEnterExtendedArgument;
      argument.timespec = reinterpret_cast<std::uint64_t>(timeout);
      argument_pointer = &argument;
      argument_size = sizeof(argument);
    }
    enters_++;
    const long result =
        ::syscall(abi::kSysEnter, fd_.get(), count, wait_count, flags, argument_pointer, argument_size);
    if (result < 0) {
      if (errno == EINTR) continue;
      return errno == ETIME ? 0 : errno;
    }
    // All taken, and nothing left in memory; or the kernel stopped half-way, which the next round asks the reason of.
    if (static_cast<unsigned>(result) == count && overflow_.empty()) return 0;
    if (result == 0) return EAGAIN;
  }
}

}  // namespace synod
