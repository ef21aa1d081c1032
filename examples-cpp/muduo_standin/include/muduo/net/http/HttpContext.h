// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_HTTP_HTTPCONTEXT_H
#define MUDUO_STANDIN_NET_HTTP_HTTPCONTEXT_H

#include "muduo/base/copyable.h"
#include "muduo/net/http/HttpRequest.h"

namespace muduo
{
namespace net
{

class Buffer;

// Parses the head of a request that arrives in pieces.
class HttpContext : public muduo::copyable
{
 public:
  enum HttpRequestParseState
  {
    kExpectRequestLine,
    kExpectHeaders,
    kExpectBody,
    kGotAll
  };

  HttpContext() : state_(kExpectRequestLine) {}

  // Takes whole lines from the buffer, up to and with the line that ends the head: an empty one, or any without a
  // colon. False when the request line is wrong; it then stays in the buffer. After gotAll(), call reset() first.
  bool parseRequest(Buffer* buf, Timestamp receiveTime);

  bool gotAll() const { return state_ == kGotAll; }
  void reset() { *this = HttpContext(); }

  const HttpRequest& request() const { return request_; }
  HttpRequest& request() { return request_; }

 private:
  bool parseRequestLine(const char* begin, const char* end);

  HttpRequestParseState state_;
  HttpRequest request_;
};

}  // namespace net
}  // namespace muduo

#endif
