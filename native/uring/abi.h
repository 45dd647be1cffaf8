// The kernel's io_uring interface, as far as it is used here. Own definitions, not <linux/io_uring.h>: the headers
// of the machine that builds may be years older than the kernel that runs, and some of them are not valid C++. What
// the running kernel has is asked at run time. Layouts and numbers are kernel ABI and never change.

#ifndef SYNOD_URING_ABI_H_
#define SYNOD_URING_ABI_H_

#include <cstdint>

namespace synod::abi {

// The same on all architectures that Node runs on.
inline constexpr long kSysSetup = 425;
inline constexpr long kSysEnter = 426;
inline constexpr long kSysRegister = 427;

struct Submission {
  std::uint8_t opcode;
  std::uint8_t flags;
  std::uint16_t io_priority;  // flags of accept, send and receive
  std::int32_t fd;
  std::uint64_t offset;  // also addr2
  std::uint64_t address;
  std::uint32_t length;
  std::uint32_t operation_flags;
  std::uint64_t user_data;
  std::uint16_t buffer_group;
  std::uint16_t personality;
  std::uint32_t file_index;
  std::uint64_t address3;
  std::uint64_t padding;
};
static_assert(sizeof(Submission) == 64);

struct Completion {
  std::uint64_t user_data;
  std::int32_t result;
  std::uint32_t flags;
};
static_assert(sizeof(Completion) == 16);

struct SubmissionOffsets {
  std::uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, reserved1;
  std::uint64_t user_address;
};

struct CompletionOffsets {
  std::uint32_t head, tail, ring_mask, ring_entries, overflow, completions, flags, reserved1;
  std::uint64_t user_address;
};

struct Parameters {
  std::uint32_t submission_entries, completion_entries, flags, thread_cpu, thread_idle, features, workers_fd;
  std::uint32_t reserved[3];
  SubmissionOffsets submission;
  CompletionOffsets completion;
};
static_assert(sizeof(Parameters) == 120);

struct Timespec {
  std::int64_t seconds;
  long long nanoseconds;
};

// Argument of enter with kEnterExtendedArgument.
struct GetEventsArgument {
  std::uint64_t signal_mask;
  std::uint32_t signal_mask_size;
  std::uint32_t minimum_wait_us;
  std::uint64_t timespec;
};

struct ProbeOperation {
  std::uint8_t operation, reserved;
  std::uint16_t flags;
  std::uint32_t reserved2;
};

struct Probe {
  std::uint8_t last_operation, count;
  std::uint16_t reserved;
  std::uint32_t reserved2[3];
  ProbeOperation operations[64];
};

struct Buffer {
  std::uint64_t address;
  std::uint32_t length;
  std::uint16_t id;
  // In the first entry of the ring this is the ring's tail.
  std::uint16_t reserved;
};
static_assert(sizeof(Buffer) == 16);

struct BufferRingRegistration {
  std::uint64_t address;
  std::uint32_t entries;
  std::uint16_t group;
  std::uint16_t flags;
  std::uint64_t reserved[3];
};

enum Operation : std::uint8_t {
  kOperationNop = 0,
  kOperationFsync = 3,
  kOperationSendMessage = 9,
  kOperationAccept = 13,
  kOperationCancel = 14,
  kOperationConnect = 16,
  kOperationWrite = 23,
  kOperationReceive = 27,
  // Came with the same kernel (6.0) as multishot receive, which has no probe of its own.
  kOperationSendZeroCopy = 47,
};

inline constexpr std::uint8_t kSubmissionBufferSelect = 1 << 5;

inline constexpr std::uint32_t kSetupCompletionSize = 1 << 3;
inline constexpr std::uint32_t kSetupClamp = 1 << 4;
inline constexpr std::uint32_t kSetupSubmitAll = 1 << 7;
inline constexpr std::uint32_t kSetupCooperativeTaskRun = 1 << 8;
inline constexpr std::uint32_t kSetupTaskRunFlag = 1 << 9;
inline constexpr std::uint32_t kSetupSingleIssuer = 1 << 12;

inline constexpr std::uint32_t kFeatureSingleMap = 1 << 0;
inline constexpr std::uint32_t kFeatureNoDrop = 1 << 1;
inline constexpr std::uint32_t kFeatureSubmitStable = 1 << 2;
inline constexpr std::uint32_t kFeatureExtendedArgument = 1 << 8;

inline constexpr std::uint64_t kOffsetRings = 0;
inline constexpr std::uint64_t kOffsetSubmissions = 0x10000000;

inline constexpr std::uint32_t kSubmissionRingOverflow = 1 << 1;
inline constexpr std::uint32_t kSubmissionRingTaskRun = 1 << 2;

inline constexpr std::uint32_t kEnterGetEvents = 1 << 0;
inline constexpr std::uint32_t kEnterExtendedArgument = 1 << 3;

inline constexpr unsigned kRegisterProbe = 8;
inline constexpr unsigned kRegisterBufferRing = 22;
inline constexpr unsigned kUnregisterBufferRing = 23;
inline constexpr std::uint16_t kBufferRingIncremental = 2;
inline constexpr std::uint16_t kProbeSupported = 1;

inline constexpr std::uint32_t kCompletionBuffer = 1 << 0;
inline constexpr std::uint32_t kCompletionMore = 1 << 1;
inline constexpr std::uint32_t kCompletionBufferMore = 1 << 4;
inline constexpr unsigned kCompletionBufferShift = 16;

inline constexpr std::uint16_t kAcceptMultishot = 1 << 0;
inline constexpr std::uint16_t kReceiveMultishot = 1 << 1;

inline constexpr std::uint32_t kFsyncDataOnly = 1 << 0;

}  // namespace synod::abi

#endif  // SYNOD_URING_ABI_H_
