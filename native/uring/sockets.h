// Listeners and connections on one ring.
//
// A connection has at most one receive (multishot) and one send in flight. What it was given meanwhile waits in its
// queue and leaves with the next message. Closing is in two steps: shut down and cancel; then, when the last
// completion was seen and nothing in the kernel refers to its memory, free the descriptor and report it.
//
//     free -> connecting -> open -> closing -> finished -> free
//                \___________________/
//
// Calls change state and queue submissions; rows for JavaScript are written in completions and in Report only.

#ifndef SYNOD_URING_SOCKETS_H_
#define SYNOD_URING_SOCKETS_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "uring/events.h"
#include "uring/receive_pool.h"
#include "uring/ring.h"
#include "uring/send_queue.h"
#include "uring/socket_address.h"
#include "uring/user_data.h"

namespace synod {

class Sockets {
 public:
  // Listeners and connections together. Whoever is accepted beyond it is closed at once.
  static constexpr std::uint32_t kSocketsMax = 4096;
  // The kernel's bound on the parts of one message.
  static constexpr std::size_t kPartsMax = 1024;
  // One message asks for no more, so that completions keep coming while a long queue drains.
  static constexpr std::size_t kMessageBytesMax = 1 << 20;
  // From this many bytes on a completed send is reported at once; before it, with the next wake-up.
  static constexpr std::uint64_t kEagerBytes = 64 * 1024;

  // `bytes_sent` has an element per socket: the bytes that the kernel took since the socket stands.
  Sockets(Ring& ring, ReceivePool& pool, EventRows& rows, double* bytes_sent);
  ~Sockets();

  // An index, or minus an errno.
  int Listen(const SocketAddress& address, int backlog);
  int Connect(const SocketAddress& address);
  bool IsValid(std::uint32_t index) const { return index < sockets_.size() && sockets_[index]->state != State::kFree; }
  void AcceptAgain(std::uint32_t listener);
  // Ends in kEventClosed.
  void Close(std::uint32_t index) { BeginClose(index, 0); }
  void SetReceiving(std::uint32_t index, bool receiving);
  void PushHeader(std::uint32_t index, const char* data, std::size_t length);
  void PushPayload(std::uint32_t index, const char* data, std::size_t length);
  bool AddressOf(std::uint32_t index, bool other_end, SocketAddress& address) const;

  // Submissions for all that was pushed.
  void StartSends();
  // Something is left for StartSends: pushed, or the rest of what a completed send has not taken.
  bool HasSends() const { return !to_send_.empty(); }
  // Buffers came back: connections that waited for one go on.
  void ResumeStarved();

  void OnCompletion(OperationKind kind, std::uint32_t index, std::int32_t result, std::uint32_t flags);

  // True where Report has rows to write that should not wait for the next wake-up, or for as long as that takes.
  bool HasUrgentReport() const { return urgent_ || !finished_.empty(); }
  bool HasReport() const { return !sent_.empty() || !finished_.empty(); }
  // Writes rows for sends and closes, as many as there is room for.
  void Report();
  // JavaScript has seen all rows: sockets that it now knows to be closed may be used again.
  void Recycle();

  // Operations whose last completion is outstanding.
  std::size_t in_flight() const { return in_flight_; }
  std::size_t count() const { return count_; }
  void CloseAll();

  std::uint64_t bytes_sent() const { return total_sent_; }
  std::uint64_t bytes_received() const { return total_received_; }
  std::uint64_t system_calls() const { return system_calls_; }

 private:
  enum class State : std::uint8_t { kFree, kListening, kConnecting, kOpen, kClosing, kFinished };

  struct Socket {
    explicit Socket(HeaderChunks& chunks) : queue(chunks) {}
    UniqueFd fd;
    State state = State::kFree;
    bool receive_wanted = false;
    bool receive_armed = false;
    bool starved = false;
    bool send_armed = false;
    bool send_listed = false;
    bool report_listed = false;
    std::int32_t error = 0;
    // Armed operations.
    std::uint32_t operations = 0;
    std::uint32_t payloads_unreported = 0;
    std::uint64_t bytes_unreported = 0;
    SendQueue queue;
    msghdr message{};
    std::vector<iovec> parts;
    SocketAddress address;
  };

  int Allocate(UniqueFd fd, State state);
  void Free(std::uint32_t index);
  abi::Submission* Start(std::uint32_t index, abi::Operation operation, OperationKind kind);
  void Cancel(OperationKind kind, std::uint32_t index);
  void ArmAccept(std::uint32_t index);
  void ArmReceive(std::uint32_t index);
  void StartSend(std::uint32_t index);
  void ListForSend(std::uint32_t index);
  void CountSent(std::uint32_t index, std::size_t payloads, std::uint64_t bytes);
  void BeginClose(std::uint32_t index, std::int32_t error);
  void Ended(std::uint32_t index);

  void OnAccept(std::uint32_t index, std::int32_t result, std::uint32_t flags);
  void OnConnect(std::uint32_t index, std::int32_t result);
  void OnReceive(std::uint32_t index, std::int32_t result, std::uint32_t flags);
  void OnSend(std::uint32_t index, std::int32_t result);

  Ring& ring_;
  ReceivePool& pool_;
  EventRows& rows_;
  double* bytes_sent_;
  HeaderChunks chunks_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> to_send_;
  std::vector<std::uint32_t> starved_;
  // Sockets with payloads to report.
  std::vector<std::uint32_t> sent_;
  // Closed, nothing in flight, not reported yet.
  std::vector<std::uint32_t> finished_;
  // Reported in this batch of rows. Not free before JavaScript has seen the row: a dial made while it works through the
  // rows before would get an index whose closing it has still to see.
  std::vector<std::uint32_t> reported_;
  bool urgent_ = false;
  std::size_t in_flight_ = 0;
  std::size_t count_ = 0;
  std::uint64_t total_sent_ = 0;
  std::uint64_t total_received_ = 0;
  std::uint64_t system_calls_ = 0;
};

}  // namespace synod

#endif  // SYNOD_URING_SOCKETS_H_
