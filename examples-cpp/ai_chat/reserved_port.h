// A port that is ours before Muduo's TcpServer binds it. Muduo ends the process when a port is taken, and does not
// tell which one port 0 became; this finds out both, kindly.
#ifndef AI_CHAT_RESERVED_PORT_H
#define AI_CHAT_RESERVED_PORT_H

#include <cstdint>
#include <string>

namespace ai_chat {

class ReservedPort {
 public:
  // `port` 0 takes a free one. Throws std::runtime_error, which says why, when it cannot be had. Keep the object
  // until the server listens: both sockets are bound with SO_REUSEADDR, which Linux allows as long as this one
  // does not listen.
  ReservedPort(const std::string& address, std::uint16_t port);
  ~ReservedPort();
  ReservedPort(const ReservedPort&) = delete;
  ReservedPort& operator=(const ReservedPort&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  int socket_;
  std::uint16_t port_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_RESERVED_PORT_H
