#include "uring/send_queue.h"

#include <algorithm>
#include <cstring>

namespace synod {

HeaderChunks::Chunk* HeaderChunks::Take() {
  if (spare_.empty()) return new Chunk;
  Chunk* chunk = spare_.back().release();
  spare_.pop_back();
  chunk->used = 0;
  chunk->entries = 0;
  return chunk;
}

void HeaderChunks::Put(Chunk* chunk) {
  if (spare_.size() < kSpareMax) {
    spare_.emplace_back(chunk);
  } else {
    delete chunk;
  }
}

void SendQueue::PushHeader(const char* data, std::size_t length) {
  while (length > 0) {
    if (open_ != nullptr && open_->used == HeaderChunks::kChunkBytes) {
      if (open_->entries == 0) chunks_.Put(open_);
      open_ = nullptr;
    }
    if (open_ == nullptr) open_ = chunks_.Take();
    const std::size_t count = std::min(length, HeaderChunks::kChunkBytes - open_->used);
    char* target = open_->bytes + open_->used;
    std::memcpy(target, data, count);
    open_->used += count;
    data += count;
    length -= count;
    // Headers that follow each other leave as one part. That the first of them may be on its way already does no harm:
    // what is taken is counted in bytes, and the rest of the entry goes with the next message.
    if (!entries_.empty() && entries_.back().chunk == open_ &&
        entries_.back().data + entries_.back().length == target) {
      entries_.back().length += count;
    } else {
      entries_.push_back({target, count, open_});
      open_->entries++;
    }
  }
}

void SendQueue::PushPayload(const char* data, std::size_t length) { entries_.push_back({data, length, nullptr}); }

void SendQueue::PopFront() {
  HeaderChunks::Chunk* chunk = entries_.front().chunk;
  entries_.pop_front();
  if (chunk == nullptr || --chunk->entries > 0) return;
  if (chunk == open_) {
    // All of it was sent: it is filled from its beginning again, which keeps idle connections to one warm chunk.
    chunk->used = 0;
  } else {
    chunks_.Put(chunk);
  }
}

std::size_t SendQueue::TakeEmpty() {
  std::size_t payloads = 0;
  while (!entries_.empty() && entries_.front().length == 0) {
    if (entries_.front().chunk == nullptr) payloads++;
    PopFront();
  }
  return payloads;
}

std::size_t SendQueue::Gather(iovec* parts, std::size_t parts_max, std::size_t bytes_max) const {
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (const Entry& entry : entries_) {
    if (count == parts_max || bytes >= bytes_max) break;
    if (entry.length == 0) continue;
    const std::size_t length = std::min(entry.length, bytes_max - bytes);
    parts[count++] = {const_cast<char*>(entry.data), length};
    bytes += length;
  }
  return count;
}

std::size_t SendQueue::Consume(std::size_t bytes) {
  std::size_t payloads = 0;
  while (!entries_.empty()) {
    Entry& entry = entries_.front();
    const std::size_t count = std::min(entry.length, bytes);
    entry.data += count;
    entry.length -= count;
    bytes -= count;
    if (entry.length > 0) break;
    if (entry.chunk == nullptr) payloads++;
    PopFront();
  }
  return payloads;
}

std::size_t SendQueue::Clear() {
  std::size_t payloads = 0;
  while (!entries_.empty()) {
    if (entries_.front().chunk == nullptr) payloads++;
    PopFront();
  }
  if (open_ != nullptr) chunks_.Put(open_);
  open_ = nullptr;
  return payloads;
}

}  // namespace synod
