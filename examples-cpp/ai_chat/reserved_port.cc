#include "reserved_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace ai_chat {

namespace {

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

Address makeAddress(const std::string& text, std::uint16_t port) {
  Address address;
  std::memset(&address, 0, sizeof address);
  if (inet_pton(AF_INET6, text.c_str(), &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
  } else {
    std::memset(&address, 0, sizeof address);
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    inet_pton(AF_INET, text.c_str(), &address.v4.sin_addr);
  }
  return address;
}

}  // namespace

ReservedPort::ReservedPort(const std::string& text, std::uint16_t port) : socket_(-1), port_(port) {
  Address address = makeAddress(text, port);
  socklen_t length = address.any.sa_family == AF_INET6 ? sizeof address.v6 : sizeof address.v4;
  const int on = 1;
  socket_ = ::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  if (socket_ < 0 || ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket_, &address.any, length) != 0 || ::getsockname(socket_, &address.any, &length) != 0) {
    const std::string why = std::strerror(errno);
    if (socket_ >= 0) ::close(socket_);
    throw std::runtime_error("cannot listen on " + text + ", port " + std::to_string(port) + ": " + why);
  }
  port_ = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

ReservedPort::~ReservedPort() { ::close(socket_); }

}  // namespace ai_chat
