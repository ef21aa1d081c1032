// Small parts that the example and test servers share: a port of the system's choice, and an orderly end.

#ifndef ECHO_MUDUO_LISTEN_H
#define ECHO_MUDUO_LISTEN_H

#include "muduo_ws/WebSocketServer.h"

#include <muduo/base/noncopyable.h>
#include <muduo/net/TcpServer.h>

#include <stdint.h>

#include <functional>
#include <thread>

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

/// Calls back, on a thread of its own, at the first SIGINT or SIGTERM. Make it before any other thread starts.
class SignalThread : muduo::noncopyable {
 public:
  explicit SignalThread(const std::function<void()>& onSignal);
  ~SignalThread();

 private:
  std::thread thread_;
};

/// Tells every WebSocket 1001 and ends the loop when no socket is left, or after a second. From any thread.
void endInOrder(muduo::net::EventLoop* loop, wsmuduo::WebSocketServer* ws);

#endif  // ECHO_MUDUO_LISTEN_H
