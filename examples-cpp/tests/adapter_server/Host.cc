#include "tests/adapter_server/Host.h"

#include <muduo/net/http/HttpResponse.h>

using muduo::Timestamp;
using muduo::net::Buffer;
using muduo::net::HttpContext;
using muduo::net::HttpRequest;
using muduo::net::HttpResponse;
using muduo::net::TcpConnectionPtr;

Host::Host(muduo::net::EventLoop* loop, const muduo::net::InetAddress& address, muduo::net::TcpServer::Option option,
           int threads, const Shape& shape, wsmuduo::WebSocketServer* ws, const Handler& handler)
    : shape_(shape), ws_(ws), handler_(handler), server_(loop, address, "adapter_server", option) {
  server_.setThreadNum(threads);
  server_.setConnectionCallback([this](const TcpConnectionPtr& conn) { onConnection(conn); });
  server_.setMessageCallback([this](const TcpConnectionPtr& conn, Buffer* buf, Timestamp t) { onMessage(conn, buf, t); });
}

void Host::onConnection(const TcpConnectionPtr& conn) {
  ws_->onConnection(conn);
  if (!conn->connected()) {
    std::lock_guard<std::mutex> lock(mutex_);
    tls_.erase(conn);
    return;
  }
  conn->setContext(HttpContext());
  if (!shape_.hasTls) return;
  const TlsPtr tls = std::make_shared<FakeTls>();
  tls->isClosed = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    tls_[conn] = tls;
  }
  const std::weak_ptr<muduo::net::TcpConnection> weak = conn;
  ws_->setSink(conn, [tls, weak](const char* data, size_t len) {
    const TcpConnectionPtr tcp = weak.lock();
    if (!tcp || tls->isClosed) return;
    if (data == NULL) {
      tls->isClosed = true;
      tcp->send("close_notify");
      return;
    }
    tcp->send(tls->apply(data, len));
  });
}

void Host::onMessage(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime) {
  const TlsPtr tls = tlsOf(conn);
  if (!tls) return onPlain(conn, buf, receiveTime);
  tls->plain.append(tls->apply(buf->peek(), buf->readableBytes()));
  buf->retrieveAll();
  onPlain(conn, &tls->plain, receiveTime);
}

void Host::onPlain(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime) {
  if (ws_->onMessage(conn, buf, receiveTime)) return;
  while (parseOne(conn, buf, receiveTime) && buf->readableBytes() > 0) {
    if (shape_.isGreedy) continue;
    if (!shape_.asksForEachRequest || ws_->onMessage(conn, buf, receiveTime)) return;
  }
}

bool Host::parseOne(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime) {
  HttpContext* const context = boost::any_cast<HttpContext>(conn->getMutableContext());
  if (!context->parseRequest(buf, receiveTime)) {
    static const char kBad[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    send(conn, kBad, sizeof kBad - 1);
    conn->shutdown();
    return false;
  }
  if (!context->gotAll()) return false;
  answer(conn, context->request());
  context->reset();
  return true;
}

void Host::answer(const TcpConnectionPtr& conn, const HttpRequest& request) {
  HttpResponse response(request.getHeader("Connection") == "close");
  response.setStatusCode(HttpResponse::k200Ok);
  response.setStatusMessage("OK");
  response.setBody(handler_(request.path()));
  Buffer out;
  response.appendToBuffer(&out);
  send(conn, out.peek(), out.readableBytes());
  if (response.closeConnection()) conn->shutdown();
}

void Host::send(const TcpConnectionPtr& conn, const char* data, size_t len) {
  const TlsPtr tls = tlsOf(conn);
  conn->send(tls ? tls->apply(data, len) : std::string(data, len));
}

Host::TlsPtr Host::tlsOf(const TcpConnectionPtr& conn) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto it = tls_.find(conn);
  return it == tls_.end() ? TlsPtr() : it->second;
}
