// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_HTTP_HTTPREQUEST_H
#define MUDUO_STANDIN_NET_HTTP_HTTPREQUEST_H

#include "muduo/base/Timestamp.h"
#include "muduo/base/Types.h"
#include "muduo/base/copyable.h"

#include <assert.h>
#include <stdio.h>

#include <map>

namespace muduo
{
namespace net
{

// The head of one request. There are no bodies.
class HttpRequest : public muduo::copyable
{
 public:
  enum Method
  {
    kInvalid,
    kGet,
    kPost,
    kHead,
    kPut,
    kDelete
  };
  enum Version
  {
    kUnknown,
    kHttp10,
    kHttp11
  };

  HttpRequest() : method_(kInvalid), version_(kUnknown) {}

  void setVersion(Version v) { version_ = v; }
  Version getVersion() const { return version_; }

  // False for a method that is not in the list above, such as OPTIONS.
  bool setMethod(const char* start, const char* end);
  Method method() const { return method_; }
  const char* methodString() const;

  void setPath(const char* start, const char* end) { path_.assign(start, end); }
  const string& path() const { return path_; }

  // With its '?', or empty.
  void setQuery(const char* start, const char* end) { query_.assign(start, end); }
  const string& query() const { return query_; }

  void setReceiveTime(Timestamp t) { receiveTime_ = t; }
  Timestamp receiveTime() const { return receiveTime_; }

  // Takes white space off the value's ends. A repeated field replaces the earlier one.
  void addHeader(const char* start, const char* colon, const char* end);
  // Letter case counts. Empty when absent.
  string getHeader(const string& field) const;
  const std::map<string, string>& headers() const { return headers_; }

  void swap(HttpRequest& that);

 private:
  Method method_;
  Version version_;
  string path_;
  string query_;
  Timestamp receiveTime_;
  std::map<string, string> headers_;
};

}  // namespace net
}  // namespace muduo

#endif
