// What the example and test servers share: a port of the system's choice.

#ifndef ECHO_MUDUO_LISTEN_H
#define ECHO_MUDUO_LISTEN_H

#include <muduo/base/noncopyable.h>
#include <muduo/net/TcpServer.h>

#include <stdint.h>

/// A TCP port on 127.0.0.1 that is ours before the TcpServer listens. Muduo cannot tell which port it got for port 0;
/// so this takes one, keeps it with SO_REUSEPORT, and the TcpServer joins it with option().
class ReservedPort : muduo::noncopyable {
 public:
  /// Ends the program with a message when the port cannot be had.
  explicit ReservedPort(uint16_t port);
  ~ReservedPort();

  uint16_t port() const { return port_; }
  muduo::net::TcpServer::Option option() const;

 private:
  const bool isChosenBySystem_;
  int fd_;
  uint16_t port_;
};

#endif  // ECHO_MUDUO_LISTEN_H
