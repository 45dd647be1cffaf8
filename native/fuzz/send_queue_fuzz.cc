// The send queue against a string of all that is to be sent: what leaves is that string, and a payload is counted when its
// last byte has gone, not before and not twice.

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzz.h"
#include "uring/send_queue.h"

namespace {

class Model {
 public:
  explicit Model(synod::HeaderChunks& chunks) : queue_(chunks) {}

  void Step(synod::fuzz::Choices& choices) {
    switch (choices.Below(6)) {
      case 0:
        PushHeader(choices.Below(8) == 0 ? choices.Word() % 40'000 : choices.Below(120));
        break;
      case 1:
        PushPayload(choices.Below(4) == 0 ? 0 : choices.Word() % 4000);
        break;
      case 2:
        Clear();
        break;
      default:
        Send(choices);
    }
  }

  void Clear() {
    // What was sent of a payload's last byte was counted; the rest comes now.
    MUST(queue_.Clear() == ends_.size());
    MUST(queue_.empty());
    ends_.clear();
    expected_.clear();
    payloads_.clear();
    sent_ = 0;
  }

 private:
  std::string Bytes(std::size_t length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) byte = static_cast<char>(next_++ * 31);
    return bytes;
  }

  void PushHeader(std::size_t length) {
    std::string header = Bytes(length);
    queue_.PushHeader(header.data(), header.size());
    expected_ += header;
  }

  void PushPayload(std::size_t length) {
    payloads_.push_back(std::make_unique<std::string>(Bytes(length)));
    queue_.PushPayload(payloads_.back()->data(), length);
    expected_ += *payloads_.back();
    ends_.push_back(expected_.size());
  }

  std::size_t TakeEnds() {
    std::size_t count = 0;
    for (; !ends_.empty() && ends_.front() <= sent_; ends_.pop_front()) count++;
    return count;
  }

  void Send(synod::fuzz::Choices& choices) {
    MUST(queue_.TakeEmpty() == TakeEnds());
    std::array<iovec, 9> parts;
    const std::size_t parts_max = 1 + choices.Below(8);
    const std::size_t bytes_max = 1 + choices.Word() % 10'000;
    const std::size_t count = queue_.Gather(parts.data(), parts_max, bytes_max);
    MUST(count <= parts_max);
    std::size_t gathered = 0;
    for (std::size_t index = 0; index < count; index++) {
      MUST(parts[index].iov_len > 0);
      MUST(sent_ + gathered + parts[index].iov_len <= expected_.size());
      MUST(std::memcmp(parts[index].iov_base, expected_.data() + sent_ + gathered, parts[index].iov_len) == 0);
      gathered += parts[index].iov_len;
    }
    MUST(gathered <= bytes_max);
    MUST((gathered == 0) == (sent_ == expected_.size()));
    // While it is on its way, more is pushed.
    if (choices.Below(3) == 0) PushHeader(choices.Below(50));
    const std::size_t taken = gathered == 0 ? 0 : choices.Below(2) == 0 ? gathered : choices.Word() % (gathered + 1);
    sent_ += taken;
    const std::size_t ended = queue_.Consume(taken);
    MUST(ended == TakeEnds());
    MUST(queue_.empty() == (sent_ == expected_.size() && ends_.empty()));
  }

  synod::SendQueue queue_;
  std::string expected_;
  std::size_t sent_ = 0;
  std::deque<std::size_t> ends_;
  std::vector<std::unique_ptr<std::string>> payloads_;
  unsigned next_ = 1;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  synod::fuzz::Choices choices(data, length);
  synod::HeaderChunks chunks;
  // Two queues that take their chunks from one place.
  Model one(chunks);
  Model other(chunks);
  for (int step = 0; step < 300 && choices.more(); step++) (choices.Below(2) == 0 ? one : other).Step(choices);
  one.Clear();
  other.Clear();
  return 0;
}
