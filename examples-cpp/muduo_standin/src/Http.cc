// Part of the Muduo stand-in: HTTP as far as Muduo goes, with its habits: no bodies, one request a read.
#include "contract.h"
#include "muduo/net/Buffer.h"
#include "muduo/net/http/HttpContext.h"
#include "muduo/net/http/HttpRequest.h"
#include "muduo/net/http/HttpResponse.h"
#include "muduo/net/http/HttpServer.h"

#include <ctype.h>

namespace muduo
{
namespace net
{
namespace
{

const struct
{
  HttpRequest::Method method;
  const char* name;
} kMethods[] = {{HttpRequest::kGet, "GET"},
                {HttpRequest::kPost, "POST"},
                {HttpRequest::kHead, "HEAD"},
                {HttpRequest::kPut, "PUT"},
                {HttpRequest::kDelete, "DELETE"}};

bool isSpace(char c)
{
  return ::isspace(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

// --- HttpRequest ---

bool HttpRequest::setMethod(const char* start, const char* end)
{
  const string name(start, end);
  method_ = kInvalid;
  for (const auto& one : kMethods)
  {
    if (name == one.name) method_ = one.method;
  }
  return method_ != kInvalid;
}

const char* HttpRequest::methodString() const
{
  for (const auto& one : kMethods)
  {
    if (method_ == one.method) return one.name;
  }
  return "UNKNOWN";
}

void HttpRequest::addHeader(const char* start, const char* colon, const char* end)
{
  const char* first = colon + 1;
  const char* last = end;
  while (first < last && isSpace(*first)) ++first;
  while (first < last && isSpace(last[-1])) --last;
  headers_[string(start, colon)] = string(first, last);
}

string HttpRequest::getHeader(const string& field) const
{
  const auto found = headers_.find(field);
  return found == headers_.end() ? string() : found->second;
}

void HttpRequest::swap(HttpRequest& that)
{
  std::swap(method_, that.method_);
  std::swap(version_, that.version_);
  path_.swap(that.path_);
  query_.swap(that.query_);
  receiveTime_.swap(that.receiveTime_);
  headers_.swap(that.headers_);
}

// --- HttpContext ---

bool HttpContext::parseRequest(Buffer* buf, Timestamp receiveTime)
{
  contract(state_ != kGotAll, "HttpContext::reset() comes between two requests; Muduo would loop for ever here");
  while (state_ != kGotAll)
  {
    const char* crlf = buf->findCRLF();
    if (!crlf) return true;
    const char* line = buf->peek();
    if (state_ == kExpectRequestLine)
    {
      if (!parseRequestLine(line, crlf)) return false;
      request_.setReceiveTime(receiveTime);
      state_ = kExpectHeaders;
    }
    else
    {
      const char* colon = std::find(line, crlf, ':');
      if (colon != crlf)
      {
        request_.addHeader(line, colon, crlf);
      }
      else
      {
        state_ = kGotAll;  // not only the empty line
      }
    }
    buf->retrieveUntil(crlf + 2);
  }
  return true;
}

// "GET /path?query HTTP/1.1"
bool HttpContext::parseRequestLine(const char* begin, const char* end)
{
  const char* methodEnd = std::find(begin, end, ' ');
  if (methodEnd == end || !request_.setMethod(begin, methodEnd)) return false;

  const char* target = methodEnd + 1;
  const char* targetEnd = std::find(target, end, ' ');
  if (targetEnd == end) return false;
  const char* question = std::find(target, targetEnd, '?');
  request_.setPath(target, question);
  if (question != targetEnd) request_.setQuery(question, targetEnd);

  const string version(targetEnd + 1, end);
  if (version == "HTTP/1.1")
  {
    request_.setVersion(HttpRequest::kHttp11);
  }
  else if (version == "HTTP/1.0")
  {
    request_.setVersion(HttpRequest::kHttp10);
  }
  else
  {
    return false;
  }
  return true;
}

// --- HttpResponse ---

void HttpResponse::appendToBuffer(Buffer* output) const
{
  output->append("HTTP/1.1 " + std::to_string(static_cast<int>(statusCode_)) + " " + statusMessage_ + "\r\n");
  if (closeConnection_)
  {
    output->append("Connection: close\r\n");
  }
  else
  {
    output->append("Content-Length: " + std::to_string(body_.size()) + "\r\nConnection: Keep-Alive\r\n");
  }
  for (const auto& header : headers_) output->append(header.first + ": " + header.second + "\r\n");
  output->append("\r\n");
  output->append(body_);
}

// --- HttpServer ---

namespace
{

void answerNotFound(const HttpRequest&, HttpResponse* response)
{
  response->setStatusCode(HttpResponse::k404NotFound);
  response->setStatusMessage("Not Found");
  response->setCloseConnection(true);
}

}  // namespace

HttpServer::HttpServer(EventLoop* loop, const InetAddress& listenAddr, const string& name, TcpServer::Option option)
    : server_(loop, listenAddr, name, option), httpCallback_(answerNotFound)
{
  server_.setConnectionCallback(std::bind(&HttpServer::onConnection, this, _1));
  server_.setMessageCallback(std::bind(&HttpServer::onMessage, this, _1, _2, _3));
}

void HttpServer::start()
{
  LOG_WARN << "HttpServer [" << server_.name() << "] listens on " << server_.ipPort();
  server_.start();
}

void HttpServer::onConnection(const TcpConnectionPtr& conn)
{
  if (conn->connected()) conn->setContext(HttpContext());
}

void HttpServer::onMessage(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime)
{
  HttpContext* context = boost::any_cast<HttpContext>(conn->getMutableContext());
  contract(context != nullptr, "a connection of an HttpServer keeps its HttpContext in its context");
  if (!context->parseRequest(buf, receiveTime))
  {
    conn->send("HTTP/1.1 400 Bad Request\r\n\r\n");
    conn->shutdown();
  }
  if (context->gotAll())
  {
    onRequest(conn, context->request());
    context->reset();
  }
}

void HttpServer::onRequest(const TcpConnectionPtr& conn, const HttpRequest& request)
{
  const string connection = request.getHeader("Connection");
  const bool close =
      connection == "close" || (request.getVersion() == HttpRequest::kHttp10 && connection != "Keep-Alive");
  HttpResponse response(close);
  httpCallback_(request, &response);
  Buffer head;
  response.appendToBuffer(&head);
  conn->send(&head);
  if (response.closeConnection()) conn->shutdown();
}

}  // namespace net
}  // namespace muduo
