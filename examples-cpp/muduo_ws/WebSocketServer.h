// WebSocketServer: WebSocket for a Muduo server that already exists, on its own port and in its own loops.
//
// Two lines in the host's callbacks are enough:
//
//   void onConnection(const TcpConnectionPtr& conn) {
//     ws_.onConnection(conn);                       // up and down
//     ...                                           // what was there before
//   }
//   void onMessage(const TcpConnectionPtr& conn, Buffer* buf, Timestamp t) {
//     if (ws_.onMessage(conn, buf, t)) return;      // WebSocket took the bytes, or waits for more of them
//     ...                                           // plain HTTP: what was there before
//   }
//
// It owns nothing of the host's: not the TcpServer, not the connection's context, not its callbacks. One instance serves
// all loops of a TcpServer. Declare it before the TcpServer, so that it is destroyed after it.
//
// A server that is a muduo::net::HttpServer uses wsmuduo::HttpServer instead, see HttpServer.h.

#ifndef MUDUO_WS_WEBSOCKETSERVER_H
#define MUDUO_WS_WEBSOCKETSERVER_H

#include "muduo_ws/WebSocketConnection.h"

#include <muduo/net/Buffer.h>
#include <muduo/net/TcpConnection.h>

#include <vector>

namespace wsmuduo {

class WebSocketServer : muduo::noncopyable {
 public:
  enum OriginPolicy {
    kSameHost,   ///< an Origin header must name the host of the Host header (the default: stops cross-site hijacking)
    kAllowList,  ///< an Origin header must be one of Options::allowedOrigins
    kAnyOrigin   ///< any
  };               // requests without an Origin, that is, not from a browser, always pass

  struct Options {
    Options();

    size_t maxHeadSize;        ///< bytes of a request head; default 8192
    size_t maxHeaders;         ///< headers of a request; default 64
    uint64_t maxFrameSize;     ///< payload of one received frame; default 1 MiB
    uint64_t maxMessageSize;   ///< one received message; default 1 MiB; more gets close code 1009
    size_t maxBufferedAmount;  ///< bytes waiting to be sent to one peer, above which send() is false; default 4 MiB

    OriginPolicy originPolicy;                ///< default kSameHost
    std::vector<std::string> allowedOrigins;  ///< "https://app.example.com"; when not empty, the policy is kAllowList
    std::vector<std::string> subprotocols;    ///< that this server speaks, the preferred one first

    double handshakeTimeoutSeconds;  ///< for a request head that has begun to arrive; default 10, 0 = none
    double closeTimeoutSeconds;      ///< for the peer's answer to our close frame; default 5
    double lingerSeconds;            ///< between our shutdown of the socket and its closing; default 2
    double writeStallSeconds;        ///< a peer that takes no byte for so long is dropped; default 30, 0 = never
    bool tcpNoDelay;                 ///< set TCP_NODELAY on upgraded connections; default true
  };

  /// Decides on a handshake in the connection's loop, after the built-in checks: path(), query(), header(),
  /// peerAddress() are there, send() is not possible yet. Returns 101 to accept, or the HTTP status (300 to 599, most
  /// often 401 or 403) to refuse with.
  typedef std::function<int(const WebSocketConnectionPtr&)> HandshakeCallback;

  /// Where bytes for the peer go instead of TcpConnection::send, for hosts with their own TLS object. Called in the
  /// connection's loop. Called once with (NULL, 0) before the adapter shuts the socket down: the place for close_notify.
  typedef std::function<void(const char* data, size_t len)> Sink;

  /// Throws std::invalid_argument, which names the option, when one is out of range.
  explicit WebSocketServer(const Options& options = Options());
  ~WebSocketServer();

  // ---- set up, before the first connection ----

  /// Serves WebSocket on `path` (exact match, without query). A WebSocket request for a path that was never named
  /// gets 404.
  void websocket(const std::string& path, const MessageCallback& onMessage,
                 const ConnectionCallback& onConnection = ConnectionCallback());
  void setHandshakeCallback(const HandshakeCallback& callback);

  // ---- the lines in the host, in the connection's loop ----

  /// True: WebSocket has taken the bytes, or needs more of them to decide and they must stay in `buf`; return at once.
  /// False: plain HTTP; `buf` is as it was. Call it before each request that the host parses.
  bool onMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);

  /// For connections that come up and that go down. When it is the host's first line, down callbacks run before the
  /// host cleans up.
  void onConnection(const muduo::net::TcpConnectionPtr& conn);

  /// Optional: from the host's WriteCompleteCallback, if it has one. Makes setWritableCallback prompt; without it, a timer
  /// looks every few milliseconds while a peer is slow.
  void onWriteComplete(const muduo::net::TcpConnectionPtr& conn);

  /// Optional, when the connection comes up: see Sink. Released when it goes down.
  void setSink(const muduo::net::TcpConnectionPtr& conn, const Sink& sink);

  // ---- any thread ----

  /// All open WebSockets, on every loop, at this moment: for broadcasts.
  std::vector<WebSocketConnectionPtr> connections() const;
  /// Starts the close handshake on all of them: for an orderly end of the server.
  void closeAll(uint16_t code = 1001, const std::string& reason = "server is shutting down");
  /// TCP connections that onConnection was told of and that are not down, WebSocket or not. After closeAll(), wait for it to
  /// fall to 0, or for a second, before you destroy the TcpServer: Muduo does not take it well while connections are on
  /// their way out.
  size_t socketCount() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_WEBSOCKETSERVER_H
