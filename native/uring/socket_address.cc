#include "uring/socket_address.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cstring>

namespace synod {

bool SocketAddress::Parse(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  // Not inet_pton: a link-local address needs its scope (`%eth0`) too.
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return false;
  length = found->ai_addrlen;
  std::memcpy(&storage, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return true;
}

bool SocketAddress::OfThisEnd(int fd) {
  length = sizeof(storage);
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) == 0;
}

bool SocketAddress::OfOtherEnd(int fd) {
  length = sizeof(storage);
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) == 0;
}

std::string SocketAddress::host() const {
  char text[NI_MAXHOST];
  const int result = ::getnameinfo(reinterpret_cast<const sockaddr*>(&storage), length, text, sizeof(text), nullptr, 0,
                                   NI_NUMERICHOST);
  return result == 0 ? text : "unknown";
}

std::uint16_t SocketAddress::port() const {
  switch (storage.ss_family) {
    case AF_INET:
      return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
    case AF_INET6:
      return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
    default:
      return 0;
  }
}

}  // namespace synod
