// WebSocketHandshake: a request for a WebSocket that waits for the application's decision.

#ifndef MUDUO_WS_WEBSOCKETHANDSHAKE_H
#define MUDUO_WS_WEBSOCKETHANDSHAKE_H

#include "muduo_ws/WebSocketConnection.h"

#include <atomic>
#include <utility>
#include <vector>

namespace wsmuduo {

/// Name and value of a header to add to an answer, such as Set-Cookie or WWW-Authenticate.
typedef std::pair<std::string, std::string> HeaderField;
typedef std::vector<HeaderField> HeaderFields;

/// Any thread may ask and decide, in the handshake callback or later: keep the pointer, look the user up in a worker, and
/// call accept() or reject() there. The first decision counts. When Options::handshakeTimeoutSeconds is over the client
/// gets 503; when the last pointer goes without a decision, 500.
class WebSocketHandshake : muduo::noncopyable {
 public:
  ~WebSocketHandshake();

  // ---- the request; it has passed the built-in checks ----

  /// As it was sent: path and query.
  const std::string& target() const;
  /// Without the query, not percent-decoded.
  const std::string& path() const;
  /// Without its '?', not percent-decoded.
  const std::string& query() const;
  /// The first parameter of that name in the query, percent-decoded, '+' as a space; empty when there is none.
  std::string queryParameter(const std::string& name) const;
  /// In any letter case; empty when there is none. Repeated headers are joined with ", ".
  std::string header(const std::string& name) const;
  /// The value of a cookie, as it was sent; empty when there is none.
  std::string cookie(const std::string& name) const;
  const muduo::net::InetAddress& peerAddress() const;
  const muduo::net::InetAddress& localAddress() const;
  /// The connection that it will be: for setContext() before accept(). send() on it is not possible yet.
  const WebSocketConnectionPtr& connection() const { return connection_; }
  /// Whether the client still waits.
  bool isPending() const;

  // ---- the decision ----

  /// Answers 101; the connection callback follows. `subprotocol`: one that the client offered; empty: the first of
  /// Options::subprotocols that it offered. False: it was decided before, or the client is gone. A subprotocol that was not
  /// offered, or a header that would break the answer, is logged and answered with 500.
  bool accept(const std::string& subprotocol = std::string(), const HeaderFields& headers = HeaderFields());
  /// Answers with an HTTP status of 300 to 599 (most often 401 or 403), and a text for people. Returns as accept().
  bool reject(int status, const std::string& body = std::string(), const HeaderFields& headers = HeaderFields());

 private:
  friend class detail::Session;
  WebSocketHandshake(const WebSocketConnectionPtr& connection, const std::shared_ptr<detail::Handle>& handle);

  const WebSocketConnectionPtr connection_;
  const std::shared_ptr<detail::Handle> handle_;
  std::atomic<bool> isDecided_;
};

typedef std::shared_ptr<WebSocketHandshake> WebSocketHandshakePtr;

/// Called in the connection's loop for every request that passed the built-in checks; decides with accept() or reject(), at
/// once or later.
typedef std::function<void(const WebSocketHandshakePtr&)> HandshakeCallback;

}  // namespace wsmuduo

#endif  // MUDUO_WS_WEBSOCKETHANDSHAKE_H
