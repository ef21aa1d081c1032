#include "muduo_ws/HttpServer.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/http/HttpContext.h>
#include <muduo/net/http/HttpRequest.h>
#include <muduo/net/http/HttpResponse.h>

#include <boost/any.hpp>

#include <strings.h>

#include <algorithm>

namespace wsmuduo {

using muduo::net::Buffer;
using muduo::net::HttpContext;
using muduo::net::HttpRequest;
using muduo::net::HttpResponse;
using muduo::net::TcpConnectionPtr;

namespace {

const size_t kMaxHead = 64 * 1024;
const size_t kMaxUnread = 64 * 1024;  // of answers, before the next request is looked at
const double kLingerSeconds = 2;      // for a refused peer to read why

/// What the connection's context holds: here it is ours, since callbacks never see the connection.
struct HttpState {
  HttpState() : headBytes(0), bodyLeft(0), isDone(false) {}

  HttpContext context;
  std::shared_ptr<ConnectionFilter> tls;  // NULL: none
  size_t headBytes;   // of the request under way that the parser has taken
  uint64_t bodyLeft;  // to be skipped
  bool isDone;        // the last answer was sent; what else comes is discarded
};

void notFound(const HttpRequest&, HttpResponse* response) {
  response->setStatusCode(HttpResponse::k404NotFound);
  response->setStatusMessage("Not Found");
  response->setCloseConnection(true);
}

enum BodyKind { kNoBody, kLength, kOtherBody, kBadBody };

/// Muduo looks headers up with their letter case; a body that is missed would be read as the next request.
BodyKind bodyOf(const HttpRequest& request, uint64_t* length) {
  BodyKind kind = kNoBody;
  *length = 0;
  for (const auto& header : request.headers()) {
    if (strcasecmp(header.first.c_str(), "Transfer-Encoding") == 0) return kOtherBody;
    if (strcasecmp(header.first.c_str(), "Content-Length") != 0) continue;
    const std::string& digits = header.second;
    const bool isNumber = !digits.empty() && digits.size() <= 18 && digits.find_first_not_of("0123456789") == std::string::npos;
    const uint64_t value = isNumber ? std::stoull(digits) : 0;
    if (!isNumber || (kind == kLength && value != *length)) return kBadBody;
    kind = kLength;
    *length = value;
  }
  return kind;
}

bool wantsClose(const HttpRequest& request) {
  std::string connection;
  for (const auto& header : request.headers()) {
    if (strcasecmp(header.first.c_str(), "Connection") == 0) connection = header.second;
  }
  if (strcasecmp(connection.c_str(), "close") == 0) return true;
  return request.getVersion() == HttpRequest::kHttp10 && strcasecmp(connection.c_str(), "keep-alive") != 0;
}

void write(const TcpConnectionPtr& conn, const HttpState& state, const char* data, size_t len) {
  if (state.tls) {
    state.tls->send(data, len);
  } else {
    conn->send(data, static_cast<int>(len));
  }
}

/// Nothing is written behind this.
void finish(const TcpConnectionPtr& conn, HttpState* state) {
  state->isDone = true;
  if (state->tls) state->tls->shutdown();
  conn->shutdown();
}

/// Sends the answer; to HEAD without its body, which would be read as the start of the next answer.
void sendResponse(const TcpConnectionPtr& conn, const HttpState& state, const HttpResponse& response) {
  Buffer out;
  response.appendToBuffer(&out);
  static const char kBlankLine[] = "\r\n\r\n";
  const char* const end = out.beginWrite();
  const char* const blank = std::search(out.peek(), static_cast<const char*>(end), kBlankLine, kBlankLine + 4);
  const HttpRequest& request = state.context.request();
  if (request.method() == HttpRequest::kHead && blank != end) out.unwrite(static_cast<size_t>(end - (blank + 4)));
  write(conn, state, out.peek(), out.readableBytes());
}

void refuse(const TcpConnectionPtr& conn, HttpState* state, Buffer* buf, const char* status) {
  const std::string answer = std::string("HTTP/1.1 ") + status + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  write(conn, *state, answer.data(), answer.size());
  finish(conn, state);
  conn->forceCloseWithDelay(kLingerSeconds);
  buf->retrieveAll();
}

}  // namespace

HttpServer::HttpServer(muduo::net::EventLoop* loop, const muduo::net::InetAddress& listenAddr, const std::string& name,
                       muduo::net::TcpServer::Option option, const WebSocketServer::Options& options)
    : webSocketServer_(options), httpCallback_(notFound), server_(loop, listenAddr, name, option) {
  using std::placeholders::_1;
  using std::placeholders::_2;
  using std::placeholders::_3;
  server_.setConnectionCallback(std::bind(&HttpServer::onConnection, this, _1));
  server_.setMessageCallback(std::bind(&HttpServer::onMessage, this, _1, _2, _3));
}

HttpServer::~HttpServer() {}

void HttpServer::start() {
  LOG_INFO << "wsmuduo::HttpServer[" << server_.name() << "] starts listening on " << server_.ipPort();
  server_.start();
}

void HttpServer::onConnection(const TcpConnectionPtr& conn) {
  webSocketServer_.onConnection(conn);
  if (!conn->connected()) return;
  HttpState state;
  if (tls_) {
    state.tls = tls_->makeFilter(conn);
    webSocketServer_.setSink(conn, state.tls->sink());
  }
  conn->setContext(state);
}

void HttpServer::onMessage(const TcpConnectionPtr& conn, Buffer* buf, muduo::Timestamp receiveTime) {
  HttpState* const state = boost::any_cast<HttpState>(conn->getMutableContext());
  if (state->tls) buf = state->tls->decrypt(buf);
  while (buf->readableBytes() > 0) {
    if (state->isDone) return buf->retrieveAll();
    if (state->bodyLeft > 0) {
      const size_t skipped = static_cast<size_t>(std::min<uint64_t>(state->bodyLeft, buf->readableBytes()));
      buf->retrieve(skipped);
      state->bodyLeft -= skipped;
      continue;
    }
    // In the middle of a request's head, which the parser takes line by line, there is nothing to ask: a head that the
    // adapter has let pass before it was complete is not an upgrade.
    if (state->headBytes == 0 && webSocketServer_.onMessage(conn, buf, receiveTime)) return;
    if (state->headBytes == 0 && conn->outputBuffer()->readableBytes() > kMaxUnread) return holdUp(conn);

    const size_t before = buf->readableBytes();
    if (!state->context.parseRequest(buf, receiveTime)) return refuse(conn, state, buf, "400 Bad Request");
    state->headBytes += before - buf->readableBytes();
    if (!state->context.gotAll()) {
      if (state->headBytes + buf->readableBytes() > kMaxHead) refuse(conn, state, buf, "431 Request Header Fields Too Large");
      return;
    }

    const HttpRequest& request = state->context.request();
    const BodyKind body = bodyOf(request, &state->bodyLeft);
    if (body == kBadBody) return refuse(conn, state, buf, "400 Bad Request");
    HttpResponse response(wantsClose(request) || body == kOtherBody);
    httpCallback_(request, &response);
    if (body == kOtherBody) response.setCloseConnection(true);  // where it ends is not known here
    sendResponse(conn, *state, response);
    state->headBytes = 0;
    if (response.closeConnection()) finish(conn, state);
    state->context.reset();
  }
}

/// A peer that asks and does not read must not fill the memory with answers.
void HttpServer::holdUp(const TcpConnectionPtr& conn) {
  conn->stopRead();
  conn->setWriteCompleteCallback([this](const TcpConnectionPtr& written) {
    written->setWriteCompleteCallback(muduo::net::WriteCompleteCallback());
    if (!written->connected()) return;
    written->startRead();
    onMessage(written, written->inputBuffer(), muduo::Timestamp::now());
  });
}

}  // namespace wsmuduo
