#include "uring/files.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace synod {

namespace {

// Not in the headers of every C library.
constexpr std::uint32_t kDataSync = 0x2;  // RWF_DSYNC

}  // namespace

std::uint32_t Files::Add(const Request& request) {
  std::uint32_t token;
  if (free_.empty()) {
    token = static_cast<std::uint32_t>(requests_.size());
    requests_.push_back(request);
  } else {
    token = free_.back();
    free_.pop_back();
    requests_[token] = request;
  }
  in_flight_++;
  Submit(token);
  return token;
}

std::uint32_t Files::Write(int fd, const char* data, std::size_t length, std::uint64_t offset, bool synced) {
  return Add({fd, false, synced, data, length, length, offset});
}

std::uint32_t Files::Sync(int fd) { return Add({fd, true, true, nullptr, 0, 0, 0}); }

void Files::Submit(std::uint32_t token) {
  const Request& request = requests_[token];
  abi::Submission* entry = ring_.Next();
  entry->fd = request.fd;
  entry->user_data = PackUserData(OperationKind::kFile, token);
  if (request.sync_only) {
    entry->opcode = abi::kOperationFsync;
    entry->operation_flags = abi::kFsyncDataOnly;
    return;
  }
  entry->opcode = abi::kOperationWrite;
  entry->address = reinterpret_cast<std::uint64_t>(request.data);
  entry->length = static_cast<std::uint32_t>(std::min(request.length, kWriteBytesMax));
  entry->offset = request.offset;
  entry->operation_flags = request.synced ? kDataSync : 0;
}

void Files::OnCompletion(std::uint32_t token, std::int32_t result) {
  Request& request = requests_[token];
  std::int32_t error = 0;
  if (result < 0) {
    // Interrupted or out of something before anything was written: nothing has failed yet. Everything else is final.
    if (result == -EINTR || result == -EAGAIN) {
      Submit(token);
      return;
    }
    error = -result;
  } else if (!request.sync_only) {
    const auto written = static_cast<std::size_t>(result);
    // Writing nothing where something was asked for would go on for ever.
    if (written == 0 && request.length > 0) error = EIO;
    request.data += written;
    request.length -= written;
    request.offset += written;
    if (error == 0 && request.length > 0) {
      Submit(token);
      return;
    }
  }
  if (error == 0 && request.synced) {
    syncs_++;
    bytes_synced_ += request.total;
  }
  in_flight_--;
  reported_.push_back(token);
  rows_.Push(kEventWritten, static_cast<std::int32_t>(token), error);
}

void Files::Recycle() {
  free_.insert(free_.end(), reported_.begin(), reported_.end());
  reported_.clear();
}

}  // namespace synod
