// Mapped files and flushes: any length of mapping is taken or refused, any range is flushed without touching what lies
// beside it, and the file then has what was stored.

#include <unistd.h>

#include <cstring>
#include <string>

#include "base/mapped_region.h"
#include "fuzz/fuzz.h"
#include "media/flush.h"

namespace {

constexpr std::size_t kBytesMax = 64 * 1024;

class File {
 public:
  File() : fd_(::mkstemp(path_)) { MUST(fd_ >= 0); }
  ~File() {
    ::close(fd_);
    ::unlink(path_);
  }
  void Resize(std::size_t bytes) { MUST(::ftruncate(fd_, 0) == 0 && ::ftruncate(fd_, static_cast<off_t>(bytes)) == 0); }
  void Read(char* target, std::size_t bytes) {
    MUST(::pread(fd_, target, bytes, 0) == static_cast<ssize_t>(bytes));
  }
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/synod-media-fuzz-XXXXXX";
  int fd_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  static File file;
  synod::fuzz::Choices choices(data, length);
  const std::size_t size = choices.Word() % (kBytesMax + 1);
  const std::size_t mapped = choices.Below(4) == 0 ? choices.Word() : choices.Word() % (size + 2);
  const bool read_only = choices.Below(4) == 0;
  const bool require_synchronous = choices.Below(8) == 0;
  file.Resize(size);
  synod::MappedRegion region;
  const synod::Status status = region.Map(file.path(), mapped, read_only, require_synchronous);
  if (!status.ok()) {
    MUST(region.bytes().empty());
    MUST(mapped == 0 || mapped > size || require_synchronous);
    return 0;
  }
  MUST(mapped > 0 && mapped <= size);
  MUST(region.bytes().size() == mapped);
  const synod::Flusher* flushers[8];
  const std::size_t flusher_count = synod::Flusher::All(flushers);
  MUST(flusher_count >= 1 && flusher_count <= 8);
  static char expected[kBytesMax];
  std::memset(expected, 0, mapped);
  for (int step = 0; step < 20 && choices.more(); step++) {
    const std::size_t from = choices.Word() % (mapped + 1);
    const std::size_t count = choices.Word() % (mapped - from + 1);
    if (!read_only) {
      const int value = choices.Byte();
      std::memset(region.bytes().data() + from, value, count);
      std::memset(expected + from, value, count);
    }
    MUST(flushers[choices.Below(static_cast<std::uint32_t>(flusher_count))]->Flush(region.bytes().data() + from, count).ok());
  }
  static char content[kBytesMax];
  file.Read(content, mapped);
  MUST(std::memcmp(content, expected, mapped) == 0);
  region.Unmap();
  MUST(region.bytes().empty());
  return 0;
}
