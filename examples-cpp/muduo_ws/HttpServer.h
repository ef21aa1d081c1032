// HttpServer: a drop-in for muduo::net::HttpServer that speaks WebSocket too.
//
// Same constructor, setHttpCallback, setThreadNum, start, getLoop; requests and responses are Muduo's own types. To
// change over, include this file and write wsmuduo::HttpServer where muduo::net::HttpServer was. New is websocket().
//
// It is built on muduo::net::TcpServer and muduo::net::HttpContext. Where Muduo's server fails, this one does not:
// pipelined requests are all answered, a request's body is skipped instead of being read as the next request (Muduo's
// HttpRequest has no place for a body), and the size of a request head is limited.

#ifndef MUDUO_WS_HTTPSERVER_H
#define MUDUO_WS_HTTPSERVER_H

#include "muduo_ws/ConnectionFilter.h"
#include "muduo_ws/WebSocketServer.h"

#include <muduo/net/TcpServer.h>

namespace muduo {
namespace net {
class HttpRequest;
class HttpResponse;
}  // namespace net
}  // namespace muduo

namespace wsmuduo {

class HttpServer : muduo::noncopyable {
 public:
  typedef std::function<void(const muduo::net::HttpRequest&, muduo::net::HttpResponse*)> HttpCallback;

  HttpServer(muduo::net::EventLoop* loop, const muduo::net::InetAddress& listenAddr, const std::string& name,
             muduo::net::TcpServer::Option option = muduo::net::TcpServer::kNoReusePort,
             const WebSocketServer::Options& options = WebSocketServer::Options());
  ~HttpServer();

  muduo::net::EventLoop* getLoop() const { return server_.getLoop(); }

  // ---- before start() ----

  void setHttpCallback(const HttpCallback& callback) { httpCallback_ = callback; }
  void setThreadNum(int numThreads) { server_.setThreadNum(numThreads); }
  void setThreadInitCallback(const muduo::net::TcpServer::ThreadInitCallback& callback) {
    server_.setThreadInitCallback(callback);
  }

  /// Serves WebSocket on `path`, see WebSocketServer::websocket.
  WebSocketRoute& websocket(const std::string& path) { return webSocketServer_.websocket(path); }
  WebSocketRoute& websocket(const std::string& path, const MessageCallback& onMessage,
                            const ConnectionCallback& onConnection = ConnectionCallback()) {
    return webSocketServer_.websocket(path, onMessage, onConnection);
  }
  void setHandshakeCallback(const HandshakeCallback& callback) { webSocketServer_.setHandshakeCallback(callback); }
  /// Speaks TLS, and only TLS: https and wss. Give a TlsContext, which may be reloaded later, see TlsContext.h.
  void setTls(const std::shared_ptr<ConnectionFilterFactory>& tls) { tls_ = tls; }

  void start();

  // ---- any thread ----

  /// An orderly end: 1001 to every WebSocket, then `done` in the server's loop, after `drainSeconds` at the latest; see
  /// WebSocketServer::stop.
  void stop(double drainSeconds, const std::function<void()>& done) { webSocketServer_.stop(getLoop(), drainSeconds, done); }

  /// For all else.
  WebSocketServer& webSocketServer() { return webSocketServer_; }

 private:
  void onConnection(const muduo::net::TcpConnectionPtr& conn);
  void onMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  void holdUp(const muduo::net::TcpConnectionPtr& conn);

  WebSocketServer webSocketServer_;  // before server_: must outlive it
  HttpCallback httpCallback_;
  std::shared_ptr<ConnectionFilterFactory> tls_;
  muduo::net::TcpServer server_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_HTTPSERVER_H
