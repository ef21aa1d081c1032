// Internal: what a WebSocketServer's loops share: options, routes, and the list of open connections.

#ifndef MUDUO_WS_SERVERCORE_H
#define MUDUO_WS_SERVERCORE_H

#include "muduo_ws/WebSocketServer.h"

#include <ws_engine.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace wsmuduo {
namespace detail {

struct Route {
  MessageCallback onMessage;
  ConnectionCallback onConnection;
};

class ServerCore : muduo::noncopyable {
 public:
  explicit ServerCore(const WebSocketServer::Options& options);
  ~ServerCore();

  // before the first connection; read by all loops afterwards
  void addRoute(const std::string& path, const Route& route) { routes_[path] = std::make_shared<const Route>(route); }
  void setHandshakeCallback(const WebSocketServer::HandshakeCallback& callback) { handshakeCallback_ = callback; }

  const WebSocketServer::Options& options() const { return options_; }
  const WebSocketServer::HandshakeCallback& handshakeCallback() const { return handshakeCallback_; }
  /// Null when the path is not served.
  std::shared_ptr<const Route> findRoute(const std::string& path) const;
  ws_engine* newEngine() const { return ws_engine_new(config_); }

  // any thread
  void add(const WebSocketConnectionPtr& connection);
  void remove(const WebSocketConnectionPtr& connection);
  std::vector<WebSocketConnectionPtr> connections() const;
  void countSockets(long change) { sockets_.fetch_add(change); }
  size_t socketCount() const { return static_cast<size_t>(sockets_.load()); }

 private:
  const WebSocketServer::Options options_;
  ws_config* const config_;
  std::map<std::string, std::shared_ptr<const Route>> routes_;
  WebSocketServer::HandshakeCallback handshakeCallback_;

  std::atomic<long> sockets_;
  mutable std::mutex mutex_;  // guards connections_
  std::unordered_map<WebSocketConnection*, std::weak_ptr<WebSocketConnection>> connections_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_SERVERCORE_H
