#include "muduo_ws/ParsedRequest.h"

#include "muduo_ws/Text.h"

#include <muduo/net/http/HttpRequest.h>

#include <strings.h>

namespace wsmuduo {

ParsedRequest::ParsedRequest(const muduo::net::HttpRequest& request)
    : method(request.methodString()),
      target(request.path() + request.query()),  // Muduo's query has its '?'
      isHttp10(request.getVersion() == muduo::net::HttpRequest::kHttp10) {
  for (const auto& header : request.headers()) headers.push_back(HeaderField(header.first, header.second));
}

bool ParsedRequest::asksForWebSocket() const {
  if (method != "GET") return false;
  for (const HeaderField& header : headers) {
    if (strcasecmp(header.first.c_str(), "Upgrade") == 0 && detail::hasToken(header.second, "websocket")) return true;
  }
  return false;
}

}  // namespace wsmuduo
