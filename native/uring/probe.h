// What the running kernel can do with io_uring, found by doing it.

#ifndef SYNOD_URING_PROBE_H_
#define SYNOD_URING_PROBE_H_

#include <cstdint>
#include <string>

#include "base/status.h"

namespace synod {

struct UringProbe {
  // Not ok: there is no io_uring here at all, or it does not work.
  Status status;
  // Empty, or the first thing that log files need and the kernel lacks.
  std::string missing_for_files;
  // The same for sockets.
  std::string missing_for_sockets;
  bool incremental_buffers = false;
};

// Opens a ring, has it complete an empty operation, and closes it.
UringProbe ProbeUring();

struct DirectIoAlignment {
  // Multiples that addresses, and offsets and lengths, of O_DIRECT transfers must have. 0: not possible on this file, or
  // not known (`known` tells which).
  std::uint32_t memory = 0;
  std::uint32_t offset = 0;
  bool known = false;
};

// What the file system says about the file (statx, since 6.1). `status` tells when the file cannot be asked about.
Status ReadDirectIoAlignment(const char* path, DirectIoAlignment& alignment);

}  // namespace synod

#endif  // SYNOD_URING_PROBE_H_
