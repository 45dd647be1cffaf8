#include "uring/receive_pool.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace synod {

ReceivePool::~ReceivePool() {
  if (entries_ != nullptr) ::munmap(entries_, entries_bytes_);
}

Status ReceivePool::Register(Ring& ring, bool incremental, std::uint32_t buffer_bytes, std::uint32_t buffers_max,
                             std::int32_t* holds) {
  entries_bytes_ = buffers_max * sizeof(abi::Buffer);
  void* memory = ::mmap(nullptr, entries_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {errno, "mmap"};
  abi::BufferRingRegistration registration{};
  registration.address = reinterpret_cast<std::uint64_t>(memory);
  registration.entries = buffers_max;
  registration.group = kGroup;
  registration.flags = incremental ? abi::kBufferRingIncremental : 0;
  long result = ::syscall(abi::kSysRegister, ring.fd(), abi::kRegisterBufferRing, &registration, 1);
  if (result < 0 && incremental && errno == EINVAL) {
    incremental = false;
    registration.flags = 0;
    result = ::syscall(abi::kSysRegister, ring.fd(), abi::kRegisterBufferRing, &registration, 1);
  }
  if (result < 0) {
    const int error = errno;
    ::munmap(memory, entries_bytes_);
    return {error, "io_uring_register"};
  }
  entries_ = static_cast<abi::Buffer*>(memory);
  mask_ = static_cast<std::uint16_t>(buffers_max - 1);
  tail_ = 0;
  incremental_ = incremental;
  buffer_bytes_ = buffer_bytes;
  buffers_max_ = buffers_max;
  holds_ = holds;
  return Status::Ok();
}

void ReceivePool::Unregister(Ring& ring) {
  if (entries_ == nullptr) return;
  abi::BufferRingRegistration registration{};
  registration.group = kGroup;
  (void)::syscall(abi::kSysRegister, ring.fd(), abi::kUnregisterBufferRing, &registration, 1);
  ::munmap(entries_, entries_bytes_);
  entries_ = nullptr;
  buffers_.clear();
  available_ = 0;
}

void ReceivePool::Add(char* memory, std::size_t bytes) {
  while (bytes >= buffer_bytes_ && buffers_.size() < buffers_max_) {
    buffers_.push_back({memory, 0});
    Give(static_cast<std::uint16_t>(buffers_.size() - 1));
    memory += buffer_bytes_;
    bytes -= buffer_bytes_;
  }
}

void ReceivePool::Give(std::uint16_t id) {
  buffers_[id].filled = 0;
  holds_[id] = 1;
  abi::Buffer& entry = entries_[tail_ & mask_];
  entry.address = reinterpret_cast<std::uint64_t>(buffers_[id].memory);
  entry.length = buffer_bytes_;
  entry.id = id;
  // The tail lies in the reserved field of the first entry, so that field is never written with the others.
  tail_++;
  __atomic_store_n(&entries_[0].reserved, tail_, __ATOMIC_RELEASE);
  available_++;
}

std::uint32_t ReceivePool::Fill(std::uint16_t id, std::uint32_t length, bool kernel_keeps) {
  BufferState& buffer = buffers_[id];
  const std::uint32_t start = buffer.filled;
  buffer.filled += length;
  if (kernel_keeps) {
    holds_[id]++;
  } else {
    // The kernel's hold becomes the lease's.
    available_--;
  }
  return start;
}

void ReceivePool::Release(std::uint16_t id) {
  if (--holds_[id] == 0) Give(id);
}

}  // namespace synod
