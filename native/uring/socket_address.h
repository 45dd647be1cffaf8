// Socket addresses from and to text. Numeric only: names are looked up before.

#ifndef SYNOD_URING_SOCKET_ADDRESS_H_
#define SYNOD_URING_SOCKET_ADDRESS_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace synod {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  // False where `host` is not a numeric IPv4 or IPv6 address.
  bool Parse(const std::string& host, std::uint16_t port);
  bool OfThisEnd(int fd);
  bool OfOtherEnd(int fd);

  std::string host() const;
  std::uint16_t port() const;
};

}  // namespace synod

#endif  // SYNOD_URING_SOCKET_ADDRESS_H_
