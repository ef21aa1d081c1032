// Internal: what one event loop knows of its connections: is it HTTP, WebSocket, or not yet known. Made and used in the
// loop's thread only, so nothing is locked. The TcpConnection's own context stays the host's.

#ifndef MUDUO_WS_LOOPSTATE_H
#define MUDUO_WS_LOOPSTATE_H

#include "muduo_ws/ServerCore.h"

#include <chrono>
#include <memory>
#include <unordered_map>

namespace wsmuduo {
namespace detail {

struct LoopEngine;
class Session;

class LoopState : muduo::noncopyable, public std::enable_shared_from_this<LoopState> {
 public:
  explicit LoopState(const std::shared_ptr<ServerCore>& core);
  ~LoopState();

  bool onMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  void onUp(const muduo::net::TcpConnectionPtr& conn);
  void onDown(const muduo::net::TcpConnectionPtr& conn);
  void onWriteComplete(const muduo::net::TcpConnectionPtr& conn);
  void setSink(const muduo::net::TcpConnectionPtr& conn, const WebSocketServer::Sink& sink);

 private:
  typedef std::chrono::steady_clock Clock;

  enum Protocol {
    kUndecided,  // at the start of a request, as far as is known
    kHttp,       // for good: a body may follow, and a body must never be taken for a request
    kWebSocket
  };

  struct Entry {
    Entry() : protocol(kUndecided), scanned(0), isWaiting(false), timerRuns(false), recheckQueued(false), leftForHost(0) {}

    Protocol protocol;
    std::weak_ptr<muduo::net::TcpConnection> tcp;  // tells an old entry from a new connection at the same address
    std::shared_ptr<Session> session;
    WebSocketServer::Sink sink;
    size_t scanned;             // bytes at the front of the buffer that ws_sniff has seen
    bool isWaiting;             // for the rest of a request head
    bool timerRuns;
    Clock::time_point waitingSince;
    bool recheckQueued;
    size_t leftForHost;         // what must be in the buffer when the host has taken one request; 0 = nothing to look at
  };
  typedef std::shared_ptr<Entry> EntryPtr;

  EntryPtr entryOf(const muduo::net::TcpConnectionPtr& conn);
  EntryPtr find(const muduo::net::TcpConnection* conn) const;
  bool decide(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf,
              muduo::Timestamp receiveTime);
  void upgrade(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, size_t headLen,
               muduo::Timestamp receiveTime);
  void queueRecheck(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, muduo::Timestamp receiveTime);
  void recheck(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, muduo::Timestamp receiveTime);
  void waitForHead(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn);
  static void startHeadTimer(const EntryPtr& entry, const muduo::net::TcpConnectionPtr& conn, double timeout, double delay);
  static void onHeadTimer(const EntryPtr& entry, double timeout);

  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<LoopEngine> loopEngine_;
  std::unordered_map<const muduo::net::TcpConnection*, EntryPtr> entries_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_LOOPSTATE_H
