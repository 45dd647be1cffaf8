// What the ring has to tell JavaScript, as rows of 32-bit integers in memory that both see. One call hands over all
// rows of a wake-up.

#ifndef SYNOD_URING_EVENTS_H_
#define SYNOD_URING_EVENTS_H_

#include <cstdint>

namespace synod {

enum EventType : std::int32_t {
  // listener, socket. The socket stands.
  kEventAccepted = 1,
  // listener, errno. No more connections are accepted until asked for again.
  kEventAcceptStopped = 2,
  // socket. The dialled connection stands.
  kEventConnected = 3,
  // socket, buffer, start, length. A hold of the buffer goes with it.
  kEventReceived = 4,
  // socket, count. So many more payloads are no longer referred to.
  kEventSent = 5,
  // socket, errno (0: the peer ended, or this side asked for it). Nothing is in flight any more; the last row of it.
  kEventClosed = 6,
  // socket. Bytes are there for it, and no buffer for them.
  kEventStarved = 7,
  // token, errno.
  kEventWritten = 8,
};

class EventRows {
 public:
  static constexpr std::uint32_t kFields = 5;
  static constexpr std::uint32_t kCapacity = 1024;

  void Attach(std::int32_t* memory) { memory_ = memory; }
  std::uint32_t count() const { return count_; }
  // Handling one completion adds three rows at most.
  bool HasRoom() const { return count_ + 3 <= kCapacity; }
  void Clear() { count_ = 0; }
  void Push(EventType type, std::int32_t a, std::int32_t b = 0, std::int32_t c = 0, std::int32_t d = 0) {
    std::int32_t* row = memory_ + count_++ * kFields;
    row[0] = type;
    row[1] = a;
    row[2] = b;
    row[3] = c;
    row[4] = d;
  }

 private:
  std::int32_t* memory_ = nullptr;
  std::uint32_t count_ = 0;
};

}  // namespace synod

#endif  // SYNOD_URING_EVENTS_H_
