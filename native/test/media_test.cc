// Mapped files and cache flushing. That a flush reaches the medium cannot be seen from here; that it reaches exactly
// the memory it is given, without fault, and that the file has the stores, can.

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "base/mapped_region.h"
#include "media/flush.h"
#include "test/check.h"

#include <unistd.h>

namespace {

constexpr std::size_t kBytes = 64 * 1024;

class TemporaryFile {
 public:
  explicit TemporaryFile(std::size_t bytes) {
    char name[] = "/tmp/synod-media-test-XXXXXX";
    const int fd = ::mkstemp(name);
    path_ = name;
    if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes)) != 0) std::abort();
    ::close(fd);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }
  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
};

void MapsAndUnmaps() {
  const TemporaryFile file(kBytes);
  synod::MappedRegion region;
  CHECK(region.bytes().empty());
  CHECK(region.Map(file.path(), kBytes, false, false).ok());
  CHECK(region.bytes().size() == kBytes);
  std::memcpy(region.bytes().data() + 100, "hello", 5);
  CHECK(file.Content().substr(100, 5) == "hello");
  synod::MappedRegion reader;
  CHECK(reader.Map(file.path(), kBytes, true, false).ok());
  CHECK(std::memcmp(reader.bytes().data() + 100, "hello", 5) == 0);
  region.Unmap();
  region.Unmap();
  CHECK(region.bytes().empty());
  const synod::MappedRegion moved = std::move(reader);
  CHECK(moved.bytes().size() == kBytes);
}

void Refuses() {
  const TemporaryFile file(kBytes);
  synod::MappedRegion region;
  CHECK(region.Map(file.path(), kBytes + 1, false, false).error_number == EINVAL);
  CHECK(region.Map(file.path(), 0, false, false).error_number == EINVAL);
  CHECK(region.Map("/nowhere/at/all", kBytes, false, false).error_number == ENOENT);
  CHECK(!region.Map("/tmp", kBytes, true, false).ok());
  CHECK(region.bytes().empty());
}

void EveryFlusherTakesEveryRange() {
  const TemporaryFile file(kBytes);
  synod::MappedRegion region;
  CHECK(region.Map(file.path(), kBytes, false, false).ok());
  const synod::Flusher* flushers[8];
  const std::size_t count = synod::Flusher::All(flushers);
  CHECK(count >= 1);
  CHECK(&synod::Flusher::Best() == flushers[0]);
  synod::test::Random random(7);
  for (std::size_t index = 0; index < count; ++index) {
    std::printf("flushed by %s\n", flushers[index]->instruction());
    const auto bytes = region.bytes();
    CHECK(flushers[index]->Flush(bytes.data(), 0).ok());
    CHECK(flushers[index]->Flush(bytes.data(), bytes.size()).ok());
    for (int round = 0; round < 200; ++round) {
      const std::size_t from = random.Below(bytes.size());
      const std::size_t length = random.Below(std::min<std::size_t>(bytes.size() - from, 300) + 1);
      std::memset(bytes.data() + from, round, length);
      CHECK(flushers[index]->Flush(bytes.data() + from, length).ok());
    }
    CHECK(std::memcmp(file.Content().data(), bytes.data(), bytes.size()) == 0);
  }
}

}  // namespace

int main() {
  MapsAndUnmaps();
  Refuses();
  EveryFlusherTakesEveryRange();
  return TEST_RESULT();
}
