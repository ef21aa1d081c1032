// Internal: one upgraded connection in its loop, from the upgrade request to DOWN. Owns the ws_conn. See Handle.h for the
// half that other threads see.

#ifndef MUDUO_WS_SESSION_H
#define MUDUO_WS_SESSION_H

#include "muduo_ws/Callbacks.h"
#include "muduo_ws/Handle.h"
#include "muduo_ws/LoopEngine.h"
#include "muduo_ws/ServerCore.h"

#include <ws_engine.h>

#include <deque>
#include <vector>

namespace wsmuduo {
namespace detail {

class StreamCore;

class Session : public Watched, muduo::noncopyable, public std::enable_shared_from_this<Session> {
 public:
  /// A session that gets its request from the input; or, with `request`, one whose request the host has parsed.
  Session(const std::shared_ptr<ServerCore>& core, const std::shared_ptr<LoopEngine>& loopEngine,
          const muduo::net::TcpConnectionPtr& tcp, const WebSocketServer::Sink& sink, const ParsedRequest* request);
  ~Session();

  // ---- from the host's callbacks ----

  /// The upgrade request and what is behind it; `headLen` is the length of its head, 0 for one that was parsed.
  void start(muduo::net::Buffer* buf, size_t headLen, muduo::Timestamp receiveTime);
  void onInput(muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  void onDown();
  /// The WebSocketServer is gone: no callback any more.
  void abandon();
  void setSink(const WebSocketServer::Sink& sink) { sink_ = sink; }

  // ---- from LoopEngine ----

  void onDue() { endTurn(); }
  bool look(uint64_t nowMs) override;
  void take(const Outgoing& message);
  /// Pulls what there is to be pulled, writes what there is to be written, and sees what becomes of the socket.
  void endTurn();

  // ---- from Handle and Hub, in the loop; none of them calls the application ----

  bool send(Outgoing::Kind kind, const char* data, size_t len);
  bool sendPrepared(const PreparedMessage& message);
  void close(uint16_t code, const std::string& reason);
  void forceClose();
  void setReading(bool isReading);
  void accept(const std::string& subprotocol, const HeaderFields& headers);
  void reject(int status, const std::string& body, const HeaderFields& headers);
  /// The server ends: 1001, or 503 for a request that waits.
  void stop();
  size_t bufferedAmount() const;
  size_t handedBytes() const;
  bool hasRoomFor(size_t len) const;
  void markDirty();
  void takeQueue() { loopEngine_->takeQueue(); }

  // ---- from token streams, in the loop ----

  /// Queues what is due. False: there is no room for all of it.
  bool queueStream(ws_stream* stream);
  /// Its send() is called when there is room.
  void addWaiting(const std::shared_ptr<StreamCore>& stream) { waitingStreams_.push_back(stream); }

  ws_conn* conn() const { return conn_; }
  LoopEngine* loopEngine() const { return loopEngine_.get(); }
  muduo::net::TcpConnectionPtr tcp() const { return tcp_.lock(); }
  bool isOpen() const { return handle_ && handle_->isOpen(); }
  bool isClosing() const { return handle_->isClosing(); }
  /// To be changed before the next event.
  Callbacks* ownCallbacks();
  bool is(const Handle* handle) const { return handle_.get() == handle; }
  /// A broadcast was too much for it.
  void closeAsSlow() { handle_->close(1013, "you read too slowly"); }

 private:
  // input and events: SessionInput.cc
  void feed(char* data, size_t len);
  void feedPending();
  void pull();
  void dispatch(const ws_event& event);
  void onRequest(const ws_event& event);
  void onOpen(const std::string& subprotocol);
  void onClosed(uint16_t code, const std::string& reason);
  void tellObserversOfEnd();
  void keepParsedHead(const ParsedRequest& request);
  void drop(const muduo::net::TcpConnectionPtr& tcp);
  void engineFailed(const char* what, int status);

  // output: SessionOutput.cc
  bool beginSend(size_t len);
  ws_status queue(Outgoing::Kind kind, const char* data, size_t len);
  void closeBehindOutput(uint16_t code, const std::string& reason);
  void queueClose(uint16_t code, const std::string& reason);
  void flush(const muduo::net::TcpConnectionPtr& tcp);
  size_t writeSome(const muduo::net::TcpConnectionPtr& tcp, const struct iovec* slices, int count);
  void write(const muduo::net::TcpConnectionPtr& tcp, const char* data, size_t len);
  void awaitWriteComplete(const muduo::net::TcpConnectionPtr& tcp);
  void endSocket(const muduo::net::TcpConnectionPtr& tcp);
  void tellOfPressure(size_t buffered);
  bool moveStreams();
  void resumeStreams();
  void endStreams();
  void applyReading(const muduo::net::TcpConnectionPtr& tcp);

  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<LoopEngine> loopEngine_;
  const std::weak_ptr<muduo::net::TcpConnection> tcp_;  // a strong one, kept after DOWN, would keep the socket open
  WebSocketServer::Sink sink_;
  ws_conn* conn_;

  std::shared_ptr<const Callbacks> callbacks_;  // of the route, or its own
  std::shared_ptr<Handle> handle_;              // there from the request on
  WebSocketConnectionPtr webSocket_;            // goes with handle_
  std::string requestHead_;                     // until handle_ takes it
  std::string pendingInput_;                    // came while none could be taken
  muduo::Timestamp receiveTime_;

  bool inputIsHeld_;      // the engine takes none: output waits, and reading is stopped
  bool pulling_;          // an event's view may be in use: only queueing is allowed
  bool isDirty_;          // endTurn() will come
  bool shutdownStarted_;
  bool over_;             // CLOSE was seen, or the engine failed: input is discarded
  bool isObserved_;       // observers know of it
  bool down_;             // DOWN, or abandoned: nothing is touched any more

  bool isDropped_;            // Muduo will close it
  bool closeWaits_;           // for the output before it
  uint16_t closeCode_;
  std::string closeReason_;
  bool awaitsWriteComplete_;  // Muduo will say when its output buffer is empty
  bool hasWritten_;           // since the application was told that everything is out
  bool isAboveHighWater_;
  bool appStoppedRead_;
  bool readIsStopped_;        // what Muduo and the engine were told
  size_t lastWaiting_;        // Muduo's output buffer when it was last looked at
  uint64_t lastProgress_;

  std::deque<std::shared_ptr<StreamCore>> waitingStreams_;  // for room; the first is the next
  std::vector<std::shared_ptr<StreamCore>> movedStreams_;   // had room; their writers are to be told
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_SESSION_H
