#include "echo_muduo/Listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

void fail(const char* what, uint16_t port) {
  fprintf(stderr, "error: port %d on 127.0.0.1: %s: %s\n", port, what, strerror(errno));
  exit(1);
}

}  // namespace

ReservedPort::ReservedPort(uint16_t port) : isChosenBySystem_(port == 0), fd_(-1), port_(port) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) fail("cannot make a socket", port);
  const int on = 1;
  setsockopt(fd_, SOL_SOCKET, isChosenBySystem_ ? SO_REUSEPORT : SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  struct sockaddr* const generic = reinterpret_cast<struct sockaddr*>(&address);
  socklen_t len = sizeof address;
  if (bind(fd_, generic, len) != 0) fail("cannot be bound", port);
  if (getsockname(fd_, generic, &len) != 0) fail("has no address", port);
  port_ = ntohs(address.sin_port);
  if (!isChosenBySystem_) {  // it was only tried, for a message better than an abort in TcpServer
    ::close(fd_);
    fd_ = -1;
  }
}

ReservedPort::~ReservedPort() {
  if (fd_ >= 0) ::close(fd_);
}

muduo::net::TcpServer::Option ReservedPort::option() const {
  return isChosenBySystem_ ? muduo::net::TcpServer::kReusePort : muduo::net::TcpServer::kNoReusePort;
}
