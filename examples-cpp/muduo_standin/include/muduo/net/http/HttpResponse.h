// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_HTTP_HTTPRESPONSE_H
#define MUDUO_STANDIN_NET_HTTP_HTTPRESPONSE_H

#include "muduo/base/Types.h"
#include "muduo/base/copyable.h"

#include <map>

namespace muduo
{
namespace net
{

class Buffer;

class HttpResponse : public muduo::copyable
{
 public:
  enum HttpStatusCode
  {
    kUnknown,
    k200Ok = 200,
    k301MovedPermanently = 301,
    k400BadRequest = 400,
    k404NotFound = 404
  };

  explicit HttpResponse(bool close) : statusCode_(kUnknown), closeConnection_(close) {}

  void setStatusCode(HttpStatusCode code) { statusCode_ = code; }
  void setStatusMessage(const string& message) { statusMessage_ = message; }
  void setCloseConnection(bool on) { closeConnection_ = on; }
  bool closeConnection() const { return closeConnection_; }
  void setContentType(const string& contentType) { addHeader("Content-Type", contentType); }
  void addHeader(const string& key, const string& value) { headers_[key] = value; }
  void setBody(const string& body) { body_ = body; }

  // "Connection: close", or a Content-Length and "Connection: Keep-Alive"; then the headers in order of their names.
  void appendToBuffer(Buffer* output) const;

 private:
  std::map<string, string> headers_;
  HttpStatusCode statusCode_;
  string statusMessage_;
  bool closeConnection_;
  string body_;
};

}  // namespace net
}  // namespace muduo

#endif
