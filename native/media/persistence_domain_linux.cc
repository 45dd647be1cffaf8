#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/unique_fd.h"
#include "media/flush.h"

namespace synod::internal {

bool CachesArePersistent() {
  constexpr const char* kDevices = "/sys/bus/nd/devices";
  DIR* directory = ::opendir(kDevices);
  if (directory == nullptr) return false;
  bool any = false;
  bool all = true;
  while (const dirent* entry = ::readdir(directory)) {
    if (std::strncmp(entry->d_name, "region", 6) != 0) continue;
    const std::string path = std::string(kDevices) + "/" + entry->d_name + "/persistence_domain";
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[32] = {};
    const ssize_t length = fd.valid() ? ::read(fd.get(), text, sizeof(text) - 1) : -1;
    any = true;
    all = all && length > 0 && std::strncmp(text, "cpu_cache", 9) == 0;
  }
  ::closedir(directory);
  return any && all;
}

}  // namespace synod::internal
