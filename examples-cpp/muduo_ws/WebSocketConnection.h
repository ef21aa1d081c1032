// WebSocketConnection: one WebSocket on a muduo::net::TcpConnection.
//
// Keep the pointer as long as you like and use it from any thread: it never keeps the socket open. When the peer is
// gone, connected() is false and send() returns false; the object itself is plain memory.
//
// C++11. Needs Muduo's public headers; users of this header do not need ws_engine.h.

#ifndef MUDUO_WS_WEBSOCKETCONNECTION_H
#define MUDUO_WS_WEBSOCKETCONNECTION_H

#include "muduo_ws/PreparedMessage.h"
#include "muduo_ws/TokenStream.h"

#include <muduo/base/StringPiece.h>
#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>
#include <muduo/net/Callbacks.h>
#include <muduo/net/InetAddress.h>

#include <boost/any.hpp>

#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <memory>
#include <string>

namespace muduo {
namespace net {
class EventLoop;
}
}  // namespace muduo

namespace wsmuduo {

class WebSocketConnection;
typedef std::shared_ptr<WebSocketConnection> WebSocketConnectionPtr;

// ---- callbacks: all run in the connection's loop, and anything may be done inside: send, close, forceClose, dropping
// ---- the last pointer

/// Called twice: when the WebSocket is open (connected() is true), and once when it is over (connected() is false,
/// closeCode() and closeReason() say how). Never called for a handshake that failed.
typedef std::function<void(const WebSocketConnectionPtr&)> ConnectionCallback;

/// Called for every whole message. `data` is valid during the call only; text is valid UTF-8.
typedef std::function<void(const WebSocketConnectionPtr&, const muduo::StringPiece& data, bool isText,
                           muduo::Timestamp receiveTime)>
    MessageCallback;

/// A part of a message, as it arrived. A chunk of text may end within a character; the text as a whole is checked.
struct Chunk {
  muduo::StringPiece data;  ///< valid during the call only; may be empty in the last chunk
  bool isText;
  bool isFirst;     ///< the message begins here
  bool isLast;      ///< the message ends here
  uint64_t offset;  ///< bytes of the message before this chunk
};
/// Called for every chunk, on routes that have this callback; their messages are not collected, and the message callback is
/// not called.
typedef std::function<void(const WebSocketConnectionPtr&, const Chunk&, muduo::Timestamp receiveTime)> ChunkCallback;

/// Called for every pong. `roundTripMs`: milliseconds since the ping that it answers, if that was one of the adapter's
/// own (Options::pingIntervalSeconds); else -1.
typedef std::function<void(const WebSocketConnectionPtr&, const muduo::StringPiece& data, int64_t roundTripMs)> PongCallback;

/// Called when bufferedAmount() has risen to Options::highWaterMark: time to stop producing. From then on the connection is
/// not read from either, until the WritableCallback.
typedef std::function<void(const WebSocketConnectionPtr&, size_t bufferedAmount)> HighWaterMarkCallback;

/// Called when there is room again: bufferedAmount() has fallen to Options::lowWaterMark after it was above the high one,
/// or after a send() was refused.
typedef std::function<void(const WebSocketConnectionPtr&)> WritableCallback;

/// Called when the kernel has taken everything that was sent.
typedef std::function<void(const WebSocketConnectionPtr&)> WriteCompleteCallback;

namespace detail {
class Session;
class Handle;
class HubCore;
struct Callbacks;
}  // namespace detail

class WebSocketConnection : muduo::noncopyable {
 public:
  ~WebSocketConnection();

  // ---- sending: any thread ----

  /// Queues one text message. False, with nothing queued, when the connection is gone or closing, when
  /// Options::maxBufferedAmount would be exceeded (by a message larger than that always), or when `text` is not valid
  /// UTF-8. Messages of one thread keep their order; a message never overtakes one whose send() returned before.
  bool send(const muduo::StringPiece& text);

  /// The same for a binary message.
  bool sendBinary(const muduo::StringPiece& data);

  /// The same for a message that goes to several connections.
  bool sendPrepared(const PreparedMessage& message);

  /// Sends a ping, at most 125 bytes. Pings of the peer are answered by themselves, and the adapter sends its own, see
  /// Options::pingIntervalSeconds.
  bool ping(const muduo::StringPiece& data = muduo::StringPiece());

  /// Starts the close handshake behind everything that was sent before. Codes: 1000 to 1003, 1007 to 1014, 3000 to
  /// 4999, or 0 for a close frame without a code; any other is logged and becomes 1011. A reason longer than
  /// 123 bytes is cut at a character. When the peer does not answer within Options::closeTimeoutSeconds, the socket is
  /// closed. Calling it again, or on a connection that is gone, does nothing.
  void close(uint16_t code = 1000, const std::string& reason = std::string());

  /// Closes the socket without a close handshake; what was queued may be lost.
  void forceClose();

  /// Bytes that were sent but have not reached the kernel: those queued here, in the engine and in Muduo's output
  /// buffer. Exact in the loop's thread; from another thread a recent figure, never too low for what that thread sent.
  size_t bufferedAmount() const;

  // ---- reading: any thread ----

  /// Stops reading from the socket: back pressure on the peer, for an application that cannot keep up. Messages that were
  /// read already may still be delivered. The time for the peer's pong does not count meanwhile.
  void stopRead();
  /// Goes on reading.
  void startRead();

  // ---- asking: any thread ----

  bool connected() const;
  /// The loop of the TcpConnection. Valid as long as that loop is, which may be shorter than this object's life.
  muduo::net::EventLoop* getLoop() const;
  /// The name of the TcpConnection, unique within its TcpServer.
  const std::string& name() const;
  const muduo::net::InetAddress& peerAddress() const;
  const muduo::net::InetAddress& localAddress() const;

  /// The handshake's request: path without the query; query without its '?'; neither is percent-decoded.
  const std::string& path() const;
  const std::string& query() const;
  /// A header of the handshake's request, in any letter case; empty when there was none. Repeated headers are joined
  /// with ", ". At hand as long as this object lives.
  std::string header(const std::string& name) const;
  /// The subprotocol that was agreed on, empty when none.
  const std::string& subprotocol() const;

  /// How it ended; valid once connected() is false: the code received, or the one sent for a protocol error;
  /// 1005 when the close frame had no code; 1006 when the connection was lost without one. 0 before.
  uint16_t closeCode() const;
  std::string closeReason() const;

  // ---- the loop's thread only ----

  /// The TcpConnection, or null when it is gone. Do not keep it: a TcpConnectionPtr that outlives the connection keeps
  /// the file descriptor open.
  muduo::net::TcpConnectionPtr tcpConnection() const;

  /// What a model says goes to this connection, token by token, see TokenStream.h. On one that is not open the stream is
  /// finished at once. `requestId`: UTF-8, or empty for messages without.
  TokenStreamPtr newTokenStream(const std::string& requestId);

  /// Instead of the route's callbacks, for this connection alone, from the next event on; also inside a callback, the one
  /// that is replaced included.
  void setConnectionCallback(const ConnectionCallback& callback);
  void setMessageCallback(const MessageCallback& callback);
  void setPongCallback(const PongCallback& callback);
  void setHighWaterMarkCallback(const HighWaterMarkCallback& callback);
  void setWritableCallback(const WritableCallback& callback);
  void setWriteCompleteCallback(const WriteCompleteCallback& callback);

  /// A slot for whatever the application wants to keep with the connection, as in TcpConnection. Not locked.
  void setContext(const boost::any& context) { context_ = context; }
  const boost::any& getContext() const { return context_; }
  boost::any* getMutableContext() { return &context_; }

 private:
  friend class detail::Session;
  friend class detail::HubCore;
  explicit WebSocketConnection(const std::shared_ptr<detail::Handle>& handle);
  detail::Callbacks* ownCallbacks();

  const std::shared_ptr<detail::Handle> handle_;  // all state that threads share
  boost::any context_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_WEBSOCKETCONNECTION_H
