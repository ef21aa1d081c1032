// Internal: what one event loop knows of its connections: is it HTTP, WebSocket, or not yet known. Made and used in the
// loop's thread only, so nothing is locked. The TcpConnection's own context stays the host's.

#ifndef MUDUO_WS_LOOPSTATE_H
#define MUDUO_WS_LOOPSTATE_H

#include "muduo_ws/LoopEngine.h"

#include <unordered_map>

namespace wsmuduo {
namespace detail {

class LoopState : muduo::noncopyable, public std::enable_shared_from_this<LoopState> {
 public:
  LoopState(const std::shared_ptr<ServerCore>& core, muduo::net::EventLoop* loop);
  ~LoopState();

  // ---- the host's callbacks ----

  bool onMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  bool onUpgradedMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  void upgrade(const muduo::net::TcpConnectionPtr& conn, const ParsedRequest& request, muduo::net::Buffer* behind,
               muduo::Timestamp receiveTime);
  void onUp(const muduo::net::TcpConnectionPtr& conn);
  void onDown(const muduo::net::TcpConnectionPtr& conn);
  void setSink(const muduo::net::TcpConnectionPtr& conn, const WebSocketServer::Sink& sink);

  // ---- the end of the server ----

  const std::shared_ptr<LoopEngine>& loopEngine() const { return loopEngine_; }
  /// Closes the WebSockets in order.
  void stop();
  /// Closes HTTP connections that are silent; with `force` drops every connection.
  void drain(bool force);

 private:
  struct Entry;
  typedef std::shared_ptr<Entry> EntryPtr;

  EntryPtr entryOf(const muduo::net::TcpConnectionPtr& conn);
  EntryPtr find(const muduo::net::TcpConnection* conn) const;
  bool decide(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf,
              muduo::Timestamp receiveTime);
  void startSession(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, const ParsedRequest* request,
                    muduo::net::Buffer* buf, size_t headLen, muduo::Timestamp receiveTime);
  void queueRecheck(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, muduo::Timestamp receiveTime);
  void recheck(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, muduo::Timestamp receiveTime);
  void waitForHead(const EntryPtr& entry);

  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<LoopEngine> loopEngine_;
  std::unordered_map<const muduo::net::TcpConnection*, EntryPtr> entries_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_LOOPSTATE_H
