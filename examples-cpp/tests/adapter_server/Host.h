// The host of the server under test: a Muduo server that existed before WebSocket did, in the shapes that are found in the
// field.

#ifndef ADAPTER_SERVER_HOST_H
#define ADAPTER_SERVER_HOST_H

#include "muduo_ws/WebSocketServer.h"

#include <muduo/net/TcpServer.h>
#include <muduo/net/http/HttpContext.h>
#include <muduo/net/http/HttpRequest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

/// What a TLS object is to a host: bytes are changed on the way in and out, and decrypted ones lie in a buffer of its own.
struct FakeTls {
  std::string apply(const char* data, size_t len) const {
    std::string out(data, len);
    for (char& c : out) c = static_cast<char>(c ^ 0x5A);
    return out;
  }
  muduo::net::Buffer plain;
  bool isClosed;  // close_notify was asked for
};

class Host : muduo::noncopyable {
 public:
  struct Shape {
    Shape() : asksForEachRequest(false), isGreedy(false), hasTls(false), cutsInput(false), parsesFirst(false), keepsAllHeaders(false) {}
    bool asksForEachRequest;  // parses pipelined requests in a loop, and asks the adapter before each
    bool isGreedy;            // parses all that is there, and asks the adapter only once per read
    bool hasTls;
    bool cutsInput;               // hands over what it decrypts in small records, one behind the other
    bool parsesFirst;             // and asks the adapter with the parsed request
    bool keepsAllHeaders;         // the same with a parser of its own, which keeps repeated headers
  };
  /// Answers a GET of a path; returns the body.
  typedef std::function<std::string(const std::string& path)> Handler;

  Host(muduo::net::EventLoop* loop, const muduo::net::InetAddress& address, muduo::net::TcpServer::Option option, int threads,
       const Shape& shape, wsmuduo::WebSocketServer* ws, const Handler& handler);

  void start() { server_.start(); }

 private:
  typedef std::shared_ptr<FakeTls> TlsPtr;

  void onConnection(const muduo::net::TcpConnectionPtr& conn);
  void onMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  void onPlain(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  void onParsed(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  bool parseOne(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp receiveTime);
  void answer(const muduo::net::TcpConnectionPtr& conn, const muduo::net::HttpRequest& request);
  void send(const muduo::net::TcpConnectionPtr& conn, const char* data, size_t len);
  TlsPtr tlsOf(const muduo::net::TcpConnectionPtr& conn);

  const Shape shape_;
  wsmuduo::WebSocketServer* const ws_;
  const Handler handler_;
  std::mutex mutex_;  // guards tls_
  std::map<muduo::net::TcpConnectionPtr, TlsPtr> tls_;
  muduo::net::TcpServer server_;
};

#endif  // ADAPTER_SERVER_HOST_H
