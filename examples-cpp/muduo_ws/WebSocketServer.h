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
// It owns nothing of the host's: not the TcpServer, not the connection's context. One instance serves all loops of one
// TcpServer, for its whole life. Declare it before the TcpServer, so that it is destroyed after it.
//
// A server that is a muduo::net::HttpServer uses wsmuduo::HttpServer instead, see HttpServer.h.

#ifndef MUDUO_WS_WEBSOCKETSERVER_H
#define MUDUO_WS_WEBSOCKETSERVER_H

#include "muduo_ws/WebSocketConnection.h"
#include "muduo_ws/WebSocketHandshake.h"

#include <muduo/net/Buffer.h>
#include <muduo/net/TcpConnection.h>

#include <vector>

namespace wsmuduo {

struct ParsedRequest;

namespace detail {
class ServerCore;
}

/// What is served on one path. Every setter returns the route, so that they can be chained; all before the first
/// connection.
class WebSocketRoute : muduo::noncopyable {
 public:
  WebSocketRoute();
  ~WebSocketRoute();

  WebSocketRoute& setConnectionCallback(const ConnectionCallback& callback);
  WebSocketRoute& setMessageCallback(const MessageCallback& callback);
  /// Messages are delivered in chunks, as they arrive, instead of whole.
  WebSocketRoute& setChunkCallback(const ChunkCallback& callback);
  WebSocketRoute& setPongCallback(const PongCallback& callback);
  WebSocketRoute& setHighWaterMarkCallback(const HighWaterMarkCallback& callback);
  WebSocketRoute& setWritableCallback(const WritableCallback& callback);
  WebSocketRoute& setWriteCompleteCallback(const WriteCompleteCallback& callback);
  /// Instead of the one of the server.
  WebSocketRoute& setHandshakeCallback(const HandshakeCallback& callback);

 private:
  friend class detail::ServerCore;
  const std::shared_ptr<detail::Callbacks> callbacks_;
};

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
    size_t highWaterMark;      ///< of bufferedAmount(): from here on the peer is not read from; default 1 MiB
    size_t lowWaterMark;       ///< from here on it is again; default 256 KiB
    bool compression;          ///< permessage-deflate (RFC 7692), for clients that offer it; default false

    OriginPolicy originPolicy;                ///< default kSameHost
    std::vector<std::string> allowedOrigins;  ///< "https://app.example.com"; when not empty, the policy is kAllowList
    std::vector<std::string> subprotocols;    ///< that this server speaks, the preferred one first

    // Times in seconds, up to seven days; 0 is never.
    double handshakeTimeoutSeconds;  ///< for a request head that has begun to arrive, and for its answer; default 10
    double pingIntervalSeconds;      ///< between pings of ours, less up to a quarter at random; default 30
    double pongTimeoutSeconds;       ///< for a sign of life after a ping; then 1001; default 30
    double idleTimeoutSeconds;       ///< without a message either way; then 1001; default 0
    double closeTimeoutSeconds;      ///< for the peer's answer to our close frame, and for its end; default 5
    double writeStallSeconds;        ///< a peer that takes no byte for so long is dropped; default 30
    double maxLifetimeSeconds;       ///< whatever happens; then 1001; default 0
    bool tcpNoDelay;                 ///< set TCP_NODELAY on upgraded connections; default true

    double tokenMergeSeconds;  ///< what is written to a TokenStream so soon after a message is merged; 0 to 10, default 0.04
  };

  /// Where bytes for the peer go instead of TcpConnection::send, for hosts with their own TLS object. Called in the
  /// connection's loop. Called once with (NULL, 0) before the adapter shuts the socket down: the place for close_notify.
  typedef std::function<void(const char* data, size_t len)> Sink;

  /// Throws std::invalid_argument, which names the option, when one is out of range.
  explicit WebSocketServer(const Options& options = Options());
  ~WebSocketServer();

  // ---- set up, before the first connection ----

  /// Serves WebSocket on `path`: an exact match without the query, or, with a '*' at its end, all paths that begin with what is
  /// before it; an exact match wins, then the longest. A WebSocket request for a path that was never named gets 404.
  WebSocketRoute& websocket(const std::string& path);
  /// The same with the two callbacks that are needed most.
  WebSocketRoute& websocket(const std::string& path, const MessageCallback& onMessage,
                            const ConnectionCallback& onConnection = ConnectionCallback());
  /// For routes without their own. Without any, every request that passes the built-in checks is accepted.
  void setHandshakeCallback(const HandshakeCallback& callback);

  // ---- the lines in the host, in the connection's loop ----

  /// True: WebSocket has taken the bytes, or needs more of them to decide and they must stay in `buf`; return at once.
  /// False: plain HTTP; `buf` is as it was. Call it before each request that the host parses.
  bool onMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);

  /// For connections that come up and that go down. When it is the host's first line, down callbacks run before the
  /// host cleans up.
  void onConnection(const muduo::net::TcpConnectionPtr& conn);

  /// Optional, when the connection comes up: see Sink. Released when it goes down.
  void setSink(const muduo::net::TcpConnectionPtr& conn, const Sink& sink);

  // ---- instead of onMessage(), for a host that parses first and decides in its router ----

  /// As onMessage(), but only for connections that upgrade() was called for; looks at no bytes of others.
  bool onUpgradedMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);

  /// Makes a WebSocket of a connection whose request the host has parsed, or refuses it: either way the answer is sent, and
  /// the host must not answer. `behind` has what came behind the request, which is taken. False: it is no WebSocket
  /// request, and nothing was done.
  bool upgrade(const muduo::net::TcpConnectionPtr& conn, const ParsedRequest& request, muduo::net::Buffer* behind,
               muduo::Timestamp receiveTime);

  // ---- in a loop's thread ----

  /// What a model says, token by token, see TokenStream.h: `callback` gets the messages. `loop`: that of this thread, which may
  /// be any that serves this server's connections, or the base loop. `requestId`: UTF-8, or empty for messages without.
  TokenStreamPtr newTokenStream(muduo::net::EventLoop* loop, const std::string& requestId,
                                const TokenStream::MessageCallback& callback);

  // ---- any thread ----

  /// All open WebSockets, on every loop, at this moment. For broadcasts see Hub.h.
  std::vector<WebSocketConnectionPtr> connections() const;
  /// Starts the close handshake on all of them.
  void closeAll(uint16_t code = 1001, const std::string& reason = "server is shutting down");
  /// TCP connections that onConnection was told of and that are not down, WebSocket or not.
  size_t socketCount() const;
  /// What all loops together have counted, in Prometheus's text format (text/plain; version=0.0.4), for GET /metrics. It waits
  /// for no loop: each has left its figures within the last second.
  std::string metricsText() const;

  /// An orderly end (RFC 6455, 7.4.1): from now on connections that come up are closed at once (Muduo cannot stop
  /// listening) and requests for WebSockets get 503; open WebSockets get 1001, and are closed when what was sent before has gone
  /// out. A connection that speaks HTTP is closed when it has been silent for a second. What is left after `drainSeconds` is
  /// dropped. Then `done` is called in `loop`, one that outlives the connections: quit it there. Once.
  void stop(muduo::net::EventLoop* loop, double drainSeconds, const std::function<void()>& done);

 private:
  friend class detail::ServerCore;
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_WEBSOCKETSERVER_H
