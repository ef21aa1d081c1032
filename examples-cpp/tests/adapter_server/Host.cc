#include "tests/adapter_server/Host.h"

#include "muduo_ws/ParsedRequest.h"

#include <muduo/net/http/HttpResponse.h>

#include <algorithm>
#include <sstream>

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
  while (buf->readableBytes() > 0) {
    const size_t record = shape_.cutsInput ? std::min<size_t>(buf->readableBytes(), 1024) : buf->readableBytes();
    tls->plain.append(tls->apply(buf->peek(), record));
    buf->retrieve(record);
    onPlain(conn, &tls->plain, receiveTime);
  }
}

void Host::onPlain(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime) {
  if (shape_.parsesFirst || shape_.keepsAllHeaders) return onParsed(conn, buf, receiveTime);
  if (ws_->onMessage(conn, buf, receiveTime)) return;
  while (parseOne(conn, buf, receiveTime) && buf->readableBytes() > 0) {
    if (shape_.isGreedy) continue;
    if (!shape_.asksForEachRequest || ws_->onMessage(conn, buf, receiveTime)) return;
  }
}

namespace {

/// The next request of the buffer, without a body. False: its head is not complete.
bool takeHead(Buffer* buf, wsmuduo::ParsedRequest* request) {
  const std::string text(buf->peek(), buf->readableBytes());
  const size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  buf->retrieve(end + 4);
  std::istringstream lines(text.substr(0, end + 2));
  std::string version;
  lines >> request->method >> request->target >> version;
  request->isHttp10 = version == "HTTP/1.0";
  std::string line;
  getline(lines, line);
  while (getline(lines, line)) {
    const size_t colon = line.find(':');
    const size_t value = line.find_first_not_of(' ', colon + 1);
    request->headers.push_back(wsmuduo::HeaderField(line.substr(0, colon), line.substr(value, line.size() - 1 - value)));
  }
  return true;
}

}  // namespace

void Host::onParsed(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime) {
  if (ws_->onUpgradedMessage(conn, buf, receiveTime)) return;
  HttpContext* const context = boost::any_cast<HttpContext>(conn->getMutableContext());
  while (buf->readableBytes() > 0) {
    wsmuduo::ParsedRequest request;
    if (shape_.keepsAllHeaders) {
      if (!takeHead(buf, &request)) return;
    } else {
      if (!context->parseRequest(buf, receiveTime)) return conn->forceClose();
      if (!context->gotAll()) return;
      request = wsmuduo::ParsedRequest(context->request());
    }
    if (ws_->upgrade(conn, request, buf, receiveTime)) return;
    HttpRequest http;
    http.setPath(request.target.data(), request.target.data() + request.target.size());
    answer(conn, http);
    context->reset();
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
