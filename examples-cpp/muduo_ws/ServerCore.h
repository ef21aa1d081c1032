// Internal: what a WebSocketServer's loops share: options, routes, and the list of open connections.

#ifndef MUDUO_WS_SERVERCORE_H
#define MUDUO_WS_SERVERCORE_H

#include "muduo_ws/Callbacks.h"
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

class Session;

/// Is told of every WebSocket that opens and, once, that it is over, in its loop. It must not call the application.
class SessionObserver {
 public:
  virtual ~SessionObserver() {}
  virtual void onOpen(Session* session) = 0;
  virtual void onGone(Session* session) = 0;
};

class ServerCore : muduo::noncopyable {
 public:
  explicit ServerCore(const WebSocketServer::Options& options);
  ~ServerCore();

  // before the first connection; read by all loops afterwards
  WebSocketRoute& route(const std::string& path);
  void setHandshakeCallback(const HandshakeCallback& callback) { handshakeCallback_ = callback; }

  void addObserver(const std::shared_ptr<SessionObserver>& observer) { observers_.push_back(observer); }
  static ServerCore* of(WebSocketServer* server);

  const std::vector<std::shared_ptr<SessionObserver>>& observers() const { return observers_; }
  const WebSocketServer::Options& options() const { return options_; }
  const HandshakeCallback& handshakeCallback() const { return handshakeCallback_; }
  /// Null when the path is not served.
  std::shared_ptr<const Callbacks> findRoute(const std::string& path) const;
  ws_engine* newEngine() const { return ws_engine_new(config_); }
  /// How often deadlines are looked at that the engine does not keep.
  uint64_t lookEveryMs() const { return lookEveryMs_; }

  // any thread
  void add(const WebSocketConnectionPtr& connection);
  void remove(WebSocketConnection* connection);
  std::vector<WebSocketConnectionPtr> connections() const;
  void countSockets(long change) { sockets_.fetch_add(change); }
  size_t socketCount() const { return static_cast<size_t>(sockets_.load()); }
  /// False: it was begun before.
  bool beginStop() { return !isStopping_.exchange(true); }
  bool isStopping() const { return isStopping_.load(std::memory_order_acquire); }

 private:
  const WebSocketServer::Options options_;
  ws_config* const config_;
  const uint64_t lookEveryMs_;
  std::map<std::string, std::unique_ptr<WebSocketRoute>> routes_;
  HandshakeCallback handshakeCallback_;
  std::vector<std::shared_ptr<SessionObserver>> observers_;

  std::atomic<long> sockets_;
  std::atomic<bool> isStopping_;
  mutable std::mutex mutex_;  // guards connections_
  std::unordered_map<WebSocketConnection*, std::weak_ptr<WebSocketConnection>> connections_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_SERVERCORE_H
