// A text is an address or it is not; the address that it is reads again as the same.

#include <cstring>
#include <string>

#include "fuzz/fuzz.h"
#include "uring/socket_address.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  synod::fuzz::Choices choices(data, length);
  const auto port = static_cast<std::uint16_t>(choices.Word());
  std::size_t count = 0;
  const std::uint8_t* bytes = choices.Take(300, &count);
  const std::string host(reinterpret_cast<const char*>(bytes), count);
  // Scopes are names of this machine's interfaces.
  if (host.find('%') != std::string::npos) return 0;
  synod::SocketAddress address;
  if (!address.Parse(host, port)) return 0;
  MUST(address.length <= sizeof(address.storage));
  MUST(address.port() == port);
  const std::string text = address.host();
  MUST(text != "unknown");
  synod::SocketAddress again;
  MUST(again.Parse(text, port));
  MUST(again.length == address.length);
  MUST(std::memcmp(&again.storage, &address.storage, address.length) == 0);
  return 0;
}
