#include "uring/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

namespace synod {

namespace {

void SetNoDelay(int fd) {
  const int on = 1;
  // Best effort: a socket without it is slower, not wrong.
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

Sockets::Sockets(Ring& ring, ReceivePool& pool, EventRows& rows, double* bytes_sent)
    : ring_(ring), pool_(pool), rows_(rows), bytes_sent_(bytes_sent) {}

Sockets::~Sockets() = default;

int Sockets::Allocate(UniqueFd fd, State state) {
  std::uint32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (sockets_.size() < kSocketsMax) {
    index = static_cast<std::uint32_t>(sockets_.size());
    sockets_.push_back(std::make_unique<Socket>(chunks_));
  } else {
    return -ENFILE;
  }
  Socket& socket = *sockets_[index];
  socket.fd = std::move(fd);
  socket.state = state;
  socket.receive_wanted = true;
  socket.error = 0;
  bytes_sent_[index] = 0;
  count_++;
  return static_cast<int>(index);
}

void Sockets::Free(std::uint32_t index) {
  Socket& socket = *sockets_[index];
  socket.state = State::kFree;
  // Thousands of connections may come and go: what each of them needed while it was busy does not stay.
  socket.parts = {};
  free_.push_back(index);
}

int Sockets::Listen(const SocketAddress& address, int backlog) {
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return -errno;
  const int on = 1;
  // A replica that restarts takes its port again while connections of its last life linger.
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) return -errno;
  if (::listen(fd.get(), backlog) != 0) return -errno;
  const int index = Allocate(std::move(fd), State::kListening);
  if (index >= 0) ArmAccept(static_cast<std::uint32_t>(index));
  return index;
}

int Sockets::Connect(const SocketAddress& address) {
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return -errno;
  SetNoDelay(fd.get());
  const int index = Allocate(std::move(fd), State::kConnecting);
  if (index < 0) return index;
  Socket& socket = *sockets_[static_cast<std::size_t>(index)];
  socket.address = address;
  abi::Submission* entry =
      Start(static_cast<std::uint32_t>(index), abi::kOperationConnect, OperationKind::kConnect);
  entry->address = reinterpret_cast<std::uint64_t>(&socket.address.storage);
  entry->offset = socket.address.length;
  return index;
}

abi::Submission* Sockets::Start(std::uint32_t index, abi::Operation operation, OperationKind kind) {
  Socket& socket = *sockets_[index];
  socket.operations++;
  in_flight_++;
  abi::Submission* entry = ring_.Next();
  entry->opcode = operation;
  entry->fd = socket.fd.get();
  entry->user_data = PackUserData(kind, index);
  return entry;
}

void Sockets::ArmAccept(std::uint32_t index) {
  abi::Submission* entry = Start(index, abi::kOperationAccept, OperationKind::kAccept);
  entry->io_priority = abi::kAcceptMultishot;
  entry->operation_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
}

void Sockets::AcceptAgain(std::uint32_t listener) {
  Socket& socket = *sockets_[listener];
  if (socket.state == State::kListening && socket.operations == 0) ArmAccept(listener);
}

void Sockets::ArmReceive(std::uint32_t index) {
  Socket& socket = *sockets_[index];
  if (socket.state != State::kOpen || !socket.receive_wanted || socket.receive_armed || socket.starved) return;
  socket.receive_armed = true;
  abi::Submission* entry = Start(index, abi::kOperationReceive, OperationKind::kReceive);
  entry->io_priority = abi::kReceiveMultishot;
  entry->flags = abi::kSubmissionBufferSelect;
  entry->buffer_group = ReceivePool::kGroup;
}

void Sockets::SetReceiving(std::uint32_t index, bool receiving) {
  Socket& socket = *sockets_[index];
  if (socket.receive_wanted == receiving) return;
  socket.receive_wanted = receiving;
  if (receiving) {
    // It starved while JavaScript did not want its bytes, so no buffers were added for it. Asked again, the kernel says
    // again that there are none; else it would wait until others give theirs back.
    if (socket.starved) {
      socket.starved = false;
      std::erase(starved_, index);
    }
    // Where a cancel is on its way, its completion arms the receive again.
    ArmReceive(index);
  } else if (socket.receive_armed) {
    Cancel(OperationKind::kReceive, index);
  }
}

void Sockets::ListForSend(std::uint32_t index) {
  Socket& socket = *sockets_[index];
  if (socket.send_listed || socket.send_armed) return;
  socket.send_listed = true;
  to_send_.push_back(index);
}

void Sockets::PushHeader(std::uint32_t index, const char* data, std::size_t length) {
  Socket& socket = *sockets_[index];
  if (socket.state != State::kOpen) return;
  socket.queue.PushHeader(data, length);
  ListForSend(index);
}

void Sockets::PushPayload(std::uint32_t index, const char* data, std::size_t length) {
  Socket& socket = *sockets_[index];
  if (socket.state != State::kOpen) return;
  socket.queue.PushPayload(data, length);
  ListForSend(index);
}

void Sockets::StartSends() {
  for (const std::uint32_t index : to_send_) {
    sockets_[index]->send_listed = false;
    StartSend(index);
  }
  to_send_.clear();
}

void Sockets::StartSend(std::uint32_t index) {
  Socket& socket = *sockets_[index];
  if (socket.state != State::kOpen || socket.send_armed) return;
  if (const std::size_t payloads = socket.queue.TakeEmpty(); payloads > 0) CountSent(index, payloads, 0);
  if (socket.queue.empty()) return;
  // Most messages are a few parts; room for the greatest is made when the first of them comes.
  if (socket.parts.empty()) socket.parts.resize(16);
  std::size_t count = socket.queue.Gather(socket.parts.data(), socket.parts.size(), kMessageBytesMax);
  if (count == socket.parts.size() && count < kPartsMax) {
    socket.parts.resize(kPartsMax);
    count = socket.queue.Gather(socket.parts.data(), socket.parts.size(), kMessageBytesMax);
  }
  socket.message = {};
  socket.message.msg_iov = socket.parts.data();
  socket.message.msg_iovlen = count;
  socket.send_armed = true;
  abi::Submission* entry = Start(index, abi::kOperationSendMessage, OperationKind::kSend);
  entry->address = reinterpret_cast<std::uint64_t>(&socket.message);
  entry->length = 1;
  // WAITALL: the kernel itself goes on after a short send, without a wake-up in between.
  entry->operation_flags = MSG_NOSIGNAL | MSG_WAITALL;
}

void Sockets::ResumeStarved() {
  if (starved_.empty() || pool_.available() == 0) return;
  std::vector<std::uint32_t> starved;
  starved.swap(starved_);
  for (const std::uint32_t index : starved) {
    sockets_[index]->starved = false;
    ArmReceive(index);
  }
}

void Sockets::CountSent(std::uint32_t index, std::size_t payloads, std::uint64_t bytes) {
  Socket& socket = *sockets_[index];
  socket.payloads_unreported += static_cast<std::uint32_t>(payloads);
  socket.bytes_unreported += bytes;
  if (socket.payloads_unreported == 0) {
    // Headers alone are not reported, so nothing would ever take them off the count again, and each send would ask for a wake-up.
    // What is left in the queue may be the rest of a payload: what was sent of it counts for its report.
    if (socket.queue.empty()) socket.bytes_unreported = 0;
    return;
  }
  if (socket.bytes_unreported >= kEagerBytes) urgent_ = true;
  if (socket.report_listed) return;
  socket.report_listed = true;
  sent_.push_back(index);
}

void Sockets::BeginClose(std::uint32_t index, std::int32_t error) {
  Socket& socket = *sockets_[index];
  if (socket.state == State::kFree || socket.state == State::kClosing || socket.state == State::kFinished) return;
  const State before = socket.state;
  socket.state = State::kClosing;
  socket.error = error;
  // By operation, not by descriptor: the cancel may reach the kernel when the descriptor is closed and its number
  // has gone to another file.
  if (before == State::kListening) Cancel(OperationKind::kAccept, index);
  if (before == State::kConnecting) Cancel(OperationKind::kConnect, index);
  if (before == State::kOpen) {
    ::shutdown(socket.fd.get(), SHUT_RDWR);
    system_calls_++;
    if (socket.receive_armed) Cancel(OperationKind::kReceive, index);
    if (socket.send_armed) Cancel(OperationKind::kSend, index);
  }
  Ended(index);
}

void Sockets::Cancel(OperationKind kind, std::uint32_t index) {
  if (sockets_[index]->operations == 0) return;
  abi::Submission* entry = ring_.Next();
  entry->opcode = abi::kOperationCancel;
  entry->fd = -1;
  entry->address = PackUserData(kind, index);
  entry->user_data = PackUserData(OperationKind::kNone, 0);
}

void Sockets::Ended(std::uint32_t index) {
  Socket& socket = *sockets_[index];
  if (socket.state != State::kClosing || socket.operations > 0) return;
  socket.state = State::kFinished;
  socket.payloads_unreported += static_cast<std::uint32_t>(socket.queue.Clear());
  socket.fd.Reset();
  system_calls_++;
  finished_.push_back(index);
}

void Sockets::CloseAll() {
  for (std::uint32_t index = 0; index < sockets_.size(); index++) BeginClose(index, 0);
}

bool Sockets::AddressOf(std::uint32_t index, bool other_end, SocketAddress& address) const {
  const int fd = sockets_[index]->fd.get();
  return other_end ? address.OfOtherEnd(fd) : address.OfThisEnd(fd);
}

void Sockets::OnCompletion(OperationKind kind, std::uint32_t index, std::int32_t result, std::uint32_t flags) {
  if ((flags & abi::kCompletionMore) == 0) {
    sockets_[index]->operations--;
    in_flight_--;
  }
  switch (kind) {
    case OperationKind::kAccept:
      OnAccept(index, result, flags);
      break;
    case OperationKind::kConnect:
      OnConnect(index, result);
      break;
    case OperationKind::kReceive:
      OnReceive(index, result, flags);
      break;
    case OperationKind::kSend:
      OnSend(index, result);
      break;
    default:
      break;
  }
  Ended(index);
}

void Sockets::OnAccept(std::uint32_t index, std::int32_t result, std::uint32_t flags) {
  const bool listening = sockets_[index]->state == State::kListening;
  if (result >= 0) {
    UniqueFd fd(result);
    system_calls_++;
    if (listening) {
      SetNoDelay(fd.get());
      const int accepted = Allocate(std::move(fd), State::kOpen);
      if (accepted >= 0) {
        rows_.Push(kEventAccepted, static_cast<std::int32_t>(index), accepted);
        ArmReceive(static_cast<std::uint32_t>(accepted));
      }
    }
  }
  if (!listening || (flags & abi::kCompletionMore) != 0) return;
  // A connection that was gone before it was accepted concerns nobody. Anything else (no descriptors left) would come
  // again at once: JavaScript asks again after a while.
  if (result >= 0 || result == -ECONNABORTED || result == -EINTR || result == -EAGAIN) {
    ArmAccept(index);
  } else {
    rows_.Push(kEventAcceptStopped, static_cast<std::int32_t>(index), -result);
  }
}

void Sockets::OnConnect(std::uint32_t index, std::int32_t result) {
  Socket& socket = *sockets_[index];
  if (socket.state != State::kConnecting) return;
  if (result < 0) {
    BeginClose(index, -result);
    return;
  }
  socket.state = State::kOpen;
  rows_.Push(kEventConnected, static_cast<std::int32_t>(index));
  ArmReceive(index);
}

void Sockets::OnReceive(std::uint32_t index, std::int32_t result, std::uint32_t flags) {
  Socket& socket = *sockets_[index];
  const bool more = (flags & abi::kCompletionMore) != 0;
  if (!more) socket.receive_armed = false;
  if ((flags & abi::kCompletionBuffer) != 0) {
    const auto buffer = static_cast<std::uint16_t>(flags >> abi::kCompletionBufferShift);
    const bool kernel_keeps = pool_.incremental() && (flags & abi::kCompletionBufferMore) != 0;
    const std::uint32_t length = result > 0 ? static_cast<std::uint32_t>(result) : 0;
    const std::uint32_t start = pool_.Fill(buffer, length, kernel_keeps);
    if (length > 0 && socket.state == State::kOpen) {
      total_received_ += length;
      rows_.Push(kEventReceived, static_cast<std::int32_t>(index), buffer, static_cast<std::int32_t>(start),
                 static_cast<std::int32_t>(length));
    } else {
      pool_.Release(buffer);
    }
  }
  if (result > 0) {
    if (!more) ArmReceive(index);
    return;
  }
  switch (-result) {
    case ENOBUFS:
      if (socket.state == State::kOpen && socket.receive_wanted) {
        socket.starved = true;
        starved_.push_back(index);
        rows_.Push(kEventStarved, static_cast<std::int32_t>(index));
      }
      break;
    case ECANCELED:
    case EAGAIN:
    case EINTR:
      ArmReceive(index);
      break;
    default:
      // 0: the peer ended its side.
      BeginClose(index, -result);
      break;
  }
}

void Sockets::OnSend(std::uint32_t index, std::int32_t result) {
  Socket& socket = *sockets_[index];
  socket.send_armed = false;
  if (result > 0) {
    const auto bytes = static_cast<std::uint64_t>(result);
    total_sent_ += bytes;
    bytes_sent_[index] += static_cast<double>(bytes);
    CountSent(index, socket.queue.Consume(bytes), bytes);
    if (!socket.queue.empty()) ListForSend(index);
    return;
  }
  if (result == -EINTR || result == -EAGAIN) {
    ListForSend(index);
    return;
  }
  BeginClose(index, result == 0 ? EPIPE : -result);
}

void Sockets::Report() {
  std::size_t done = 0;
  for (; done < sent_.size() && rows_.HasRoom(); done++) {
    const std::uint32_t index = sent_[done];
    Socket& socket = *sockets_[index];
    socket.report_listed = false;
    // Finished sockets report their payloads with their end.
    if (socket.payloads_unreported == 0 || socket.state == State::kFinished) continue;
    rows_.Push(kEventSent, static_cast<std::int32_t>(index), static_cast<std::int32_t>(socket.payloads_unreported));
    socket.payloads_unreported = 0;
    socket.bytes_unreported = 0;
  }
  sent_.erase(sent_.begin(), sent_.begin() + static_cast<std::ptrdiff_t>(done));
  if (sent_.empty()) urgent_ = false;

  done = 0;
  for (; done < finished_.size() && rows_.HasRoom(); done++) {
    const std::uint32_t index = finished_[done];
    Socket& socket = *sockets_[index];
    if (socket.payloads_unreported > 0) {
      rows_.Push(kEventSent, static_cast<std::int32_t>(index), static_cast<std::int32_t>(socket.payloads_unreported));
      socket.payloads_unreported = 0;
    }
    socket.bytes_unreported = 0;
    rows_.Push(kEventClosed, static_cast<std::int32_t>(index), socket.error);
    reported_.push_back(index);
  }
  finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(done));
}

void Sockets::Recycle() {
  for (const std::uint32_t index : reported_) {
    Socket& socket = *sockets_[index];
    socket.starved = false;
    count_--;
    Free(index);
  }
  reported_.clear();
}

}  // namespace synod
