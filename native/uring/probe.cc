#include "uring/probe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "uring/receive_pool.h"
#include "uring/ring.h"

namespace synod {

namespace {

struct Need {
  abi::Operation operation;
  const char* name;
};

constexpr Need kFileNeeds[] = {{abi::kOperationWrite, "write"}, {abi::kOperationFsync, "fsync"}};
constexpr Need kSocketNeeds[] = {
    {abi::kOperationSendMessage, "sendmsg"},
    {abi::kOperationAccept, "accept"},
    {abi::kOperationConnect, "connect"},
    {abi::kOperationCancel, "cancel"},
    {abi::kOperationReceive, "receive"},
    {abi::kOperationSendZeroCopy, "multishot receive (Linux 6.0)"},
};

template <std::size_t count>
std::string FirstMissing(const Ring& ring, const Need (&needs)[count]) {
  for (const Need& need : needs) {
    if (!ring.Supports(need.operation)) return need.name;
  }
  return "";
}

}  // namespace

UringProbe ProbeUring() {
  UringProbe probe;
  Ring ring;
  probe.status = ring.Open(8, 16);
  if (!probe.status.ok()) return probe;
  abi::Submission* entry = ring.Next();
  entry->opcode = abi::kOperationNop;
  entry->user_data = 42;
  if (const int error = ring.Enter(1); error != 0) {
    probe.status = {error, "io_uring_enter"};
    return probe;
  }
  const abi::Completion* completion = ring.Peek();
  if (completion == nullptr || completion->user_data != 42 || completion->result != 0) {
    probe.status = {EIO, "io_uring_enter"};
    return probe;
  }
  ring.Drop();
  probe.missing_for_files = FirstMissing(ring, kFileNeeds);
  probe.missing_for_sockets = FirstMissing(ring, kSocketNeeds);
  if (probe.missing_for_sockets.empty()) {
    std::vector<std::int32_t> holds(8);
    ReceivePool pool;
    if (!pool.Register(ring, true, 4096, 8, holds.data()).ok()) {
      probe.missing_for_sockets = "provided buffer rings (Linux 5.19)";
    } else {
      probe.incremental_buffers = pool.incremental();
      pool.Unregister(ring);
    }
  }
  return probe;
}

Status ReadDirectIoAlignment(const char* path, DirectIoAlignment& alignment) {
  // The C library's struct may be older than these fields: kernel ABI, by offset.
  constexpr unsigned kMaskDirectIo = 0x2000;
  constexpr std::size_t kMaskAt = 0;
  constexpr std::size_t kMemoryAlignmentAt = 0x98;
  constexpr std::size_t kOffsetAlignmentAt = 0x9c;
  alignas(8) unsigned char buffer[256] = {};
#if defined(SYS_statx)
  if (::syscall(SYS_statx, AT_FDCWD, path, 0, kMaskDirectIo, buffer) != 0) return {errno, "statx"};
  std::uint32_t mask = 0;
  std::memcpy(&mask, buffer + kMaskAt, sizeof(mask));
  if ((mask & kMaskDirectIo) == 0) return Status::Ok();
  alignment.known = true;
  std::memcpy(&alignment.memory, buffer + kMemoryAlignmentAt, sizeof(alignment.memory));
  std::memcpy(&alignment.offset, buffer + kOffsetAlignmentAt, sizeof(alignment.offset));
#endif
  return Status::Ok();
}

}  // namespace synod
