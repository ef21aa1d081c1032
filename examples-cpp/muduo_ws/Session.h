// Internal: one upgraded connection in its loop, from the upgrade request to DOWN. Owns the ws_conn. See Handle.h for the
// half that other threads see.

#ifndef MUDUO_WS_SESSION_H
#define MUDUO_WS_SESSION_H

#include "muduo_ws/Handle.h"
#include "muduo_ws/ServerCore.h"

#include <ws_engine.h>

#include <chrono>

namespace wsmuduo {
namespace detail {

/// What the connections of one loop share.
struct LoopEngine : muduo::noncopyable {
  explicit LoopEngine(const ServerCore& core) : engine(core.newEngine()) {}
  ~LoopEngine() { ws_engine_free(engine); }

  ws_engine* const engine;
  std::string scratch;  // small pieces of output are joined here for one write
};

class Session : muduo::noncopyable, public std::enable_shared_from_this<Session> {
 public:
  Session(const std::shared_ptr<ServerCore>& core, const std::shared_ptr<LoopEngine>& loopEngine,
          const muduo::net::TcpConnectionPtr& tcp, const WebSocketServer::Sink& sink);
  ~Session();

  // ---- from the host's callbacks ----

  /// The upgrade request and what is behind it; `headLen` is the length of its head.
  void start(muduo::net::Buffer* buf, size_t headLen, muduo::Timestamp receiveTime);
  void onInput(muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  void onWriteComplete();
  void onDown();
  /// The WebSocketServer is gone: no callback any more.
  void abandon();
  void setSink(const WebSocketServer::Sink& sink) { sink_ = sink; }

  // ---- from Handle, in the loop ----

  bool send(Outgoing::Kind kind, const char* data, size_t len);
  void close(uint16_t code, const std::string& reason);
  void forceClose();
  void onWake();
  size_t bufferedAmount();

  muduo::net::TcpConnectionPtr tcp() const { return tcp_.lock(); }
  void setWritableCallback(const WritableCallback& callback) { writableCallback_ = callback; }

 private:
  // events
  void feed(const char* data, size_t len);
  void pull();
  void dispatch(const ws_event& event);
  void onRequest(const std::string& target);
  void onOpen(const std::string& subprotocol);
  void onClosed(uint16_t code, const std::string& reason);
  void refuse(int status);
  void engineFailed(const char* what, int status);

  // output
  void drainOutbox();
  ws_status queue(Outgoing::Kind kind, const char* data, size_t len);
  void queueClose(uint16_t code, const std::string& reason);
  void flushAtEndOfTurn();
  void endTurn();
  void flush(const muduo::net::TcpConnectionPtr& tcp);
  size_t writeSome(const muduo::net::TcpConnectionPtr& tcp, const struct iovec* slices, int count);
  void write(const muduo::net::TcpConnectionPtr& tcp, const char* data, size_t len);
  void tellWritable(size_t buffered);

  // time
  typedef std::chrono::steady_clock Clock;
  void noteProgress(size_t waiting);
  void noteTransmission(const muduo::net::TcpConnectionPtr& tcp);
  void watchOutput(const muduo::net::TcpConnectionPtr& tcp);
  void onWatch(unsigned generation);
  void startCloseTimer();
  void onCloseTimeout();

  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<LoopEngine> loopEngine_;
  const std::weak_ptr<muduo::net::TcpConnection> tcp_;  // a strong one, kept after DOWN, would keep the socket open
  muduo::net::EventLoop* const loop_;
  WebSocketServer::Sink sink_;
  ws_conn* const conn_;

  std::shared_ptr<const Route> route_;
  std::shared_ptr<Handle> handle_;   // there from the request on, if its path is known
  WebSocketConnectionPtr webSocket_; // goes with handle_
  WritableCallback writableCallback_;
  std::string requestHead_;          // until handle_ takes it
  muduo::Timestamp receiveTime_;

  bool pulling_;         // an event's view may be in use: only queueing is allowed
  bool flushQueued_;
  bool shutdownStarted_;
  bool over_;            // CLOSE was seen, or the engine failed: input is discarded
  bool down_;            // DOWN, or abandoned: nothing is touched any more
  std::string inputDuringPull_;

  size_t lastWaiting_;   // Muduo's output buffer when it was last looked at
  Clock::time_point lastProgress_;
  double watchDelay_;    // of the watch that runs; 0 = none runs
  double nextWatch_;     // delay of the next one while somebody waits for room
  unsigned watchGeneration_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_SESSION_H
