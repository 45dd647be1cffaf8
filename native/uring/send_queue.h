// What one connection has to send, in order: copies of headers, and references to payloads. Cut into messages for
// the kernel at its head, while more is added at its tail.

#ifndef SYNOD_URING_SEND_QUEUE_H_
#define SYNOD_URING_SEND_QUEUE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace synod {

// Memory for copies of headers, in chunks that are used again. Shared by the connections of one ring.
class HeaderChunks {
 public:
  static constexpr std::size_t kChunkBytes = 16 * 1024;
  // Chunks beyond this are freed when they come back.
  static constexpr std::size_t kSpareMax = 64;

  struct Chunk {
    std::size_t used = 0;
    // Queue entries that point into it.
    std::size_t entries = 0;
    char bytes[kChunkBytes];
  };

  Chunk* Take();
  void Put(Chunk* chunk);

 private:
  std::vector<std::unique_ptr<Chunk>> spare_;
};

class SendQueue {
 public:
  explicit SendQueue(HeaderChunks& chunks) : chunks_(chunks) {}
  ~SendQueue() { Clear(); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  void PushHeader(const char* data, std::size_t length);
  // `data` must stay until it was counted by Consume or Clear. Length 0 is a payload too.
  void PushPayload(const char* data, std::size_t length);

  bool empty() const { return entries_.empty(); }
  // Payloads of no bytes at the head need no sending: yields how many were taken off.
  std::size_t TakeEmpty();

  // Fills `parts` with what stands at the head, up to their number and about `bytes_max` bytes; yields how many.
  std::size_t Gather(iovec* parts, std::size_t parts_max, std::size_t bytes_max) const;
  // The kernel took so many bytes of the head; yields how many payloads came to their end.
  std::size_t Consume(std::size_t bytes);
  // Drops everything; yields how many payloads there were.
  std::size_t Clear();

 private:
  struct Entry {
    const char* data;
    std::size_t length;
    // Null: a payload.
    HeaderChunks::Chunk* chunk;
  };

  void PopFront();

  HeaderChunks& chunks_;
  std::deque<Entry> entries_;
  // Where the next header is copied to; null before the first.
  HeaderChunks::Chunk* open_ = nullptr;
};

}  // namespace synod

#endif  // SYNOD_URING_SEND_QUEUE_H_
