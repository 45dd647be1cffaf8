// The send queue against an obvious one: a string of all bytes that are to be sent, and the positions at which payloads
// end. Random pushes, gathers and partial sends; what was sent must be that string, and each payload be counted when, and
// not before, its last byte is gone.

#include "check.h"

#if defined(__linux__)

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "uring/send_queue.h"

namespace synod {
namespace {

using test::Random;

void TestAgainstOracle(std::uint64_t seed) {
  Random random(seed);
  HeaderChunks chunks;
  SendQueue queue(chunks);
  std::string expected;
  std::deque<std::size_t> payload_ends;
  std::vector<std::unique_ptr<std::string>> payloads;
  std::string sent;
  const auto random_bytes = [&random](std::size_t length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next());
    return bytes;
  };
  const auto count_ends = [&] {
    std::size_t count = 0;
    while (!payload_ends.empty() && payload_ends.front() <= sent.size()) {
      payload_ends.pop_front();
      count++;
    }
    return count;
  };
  for (int step = 0; step < 500; step++) {
    switch (random.Below(4)) {
      case 0: {
        std::string header = random_bytes(random.Below(10) == 0 ? random.Below(60'000) : random.Below(100));
        queue.PushHeader(header.data(), header.size());
        expected += header;
        // Copied: what becomes of it now does not matter.
        header.assign(header.size(), 'x');
        break;
      }
      case 1: {
        payloads.push_back(std::make_unique<std::string>(random_bytes(random.Below(5) == 0 ? 0 : random.Below(3000))));
        queue.PushPayload(payloads.back()->data(), payloads.back()->size());
        expected += *payloads.back();
        payload_ends.push_back(expected.size());
        break;
      }
      default: {
        // As Sockets does it: first what needs no sending, then a message, of which a part is taken while more is pushed.
        if (!queue.empty() && sent.size() == expected.size()) {
          CHECK(queue.TakeEmpty() == count_ends());
          CHECK(queue.empty());
          break;
        }
        if (payload_ends.empty() || payload_ends.front() > sent.size()) CHECK(queue.TakeEmpty() == 0);
        iovec parts[8];
        const std::size_t count = queue.Gather(parts, 1 + random.Below(8), 1 + random.Below(20'000));
        std::string message;
        for (std::size_t index = 0; index < count; index++) {
          CHECK(parts[index].iov_len > 0);
          message.append(static_cast<const char*>(parts[index].iov_base), parts[index].iov_len);
        }
        if (message.empty()) {
          CHECK(sent.size() == expected.size());
          break;
        }
        if (random.Below(2) == 0) {
          const std::string late = random_bytes(random.Below(50));
          queue.PushHeader(late.data(), late.size());
          expected += late;
        }
        const std::size_t taken = 1 + random.Below(message.size());
        CHECK(expected.compare(sent.size(), message.size(), message) == 0);
        sent.append(message, 0, taken);
        CHECK(queue.Consume(taken) == count_ends());
        break;
      }
    }
    if (test::failures > 0) return;
  }
  CHECK(queue.Clear() == payload_ends.size());
  CHECK(queue.empty());
}

void TestHeadersJoin() {
  HeaderChunks chunks;
  SendQueue queue(chunks);
  for (int index = 0; index < 100; index++) queue.PushHeader("0123456789", 10);
  iovec parts[4];
  CHECK(queue.Gather(parts, 4, 1 << 20) == 1);
  CHECK(parts[0].iov_len == 1000);
  queue.PushPayload("payload", 7);
  queue.PushHeader("more", 4);
  CHECK(queue.Gather(parts, 4, 1 << 20) == 3);
  CHECK(queue.Consume(1011) == 1);
}

}  // namespace
}  // namespace synod

int main() {
  for (std::uint64_t seed = 1; seed <= 60; seed++) {
    synod::TestAgainstOracle(seed);
    if (synod::test::failures > 0) {
      std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
      break;
    }
  }
  synod::TestHeadersJoin();
  std::printf("%d checks, %d failures\n", synod::test::checks, synod::test::failures);
  return synod::test::failures == 0 ? 0 : 1;
}

#else

int main() { return 0; }

#endif
