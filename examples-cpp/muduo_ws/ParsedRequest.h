// ParsedRequest: an HTTP request that the host has parsed, for WebSocketServer::upgrade().

#ifndef MUDUO_WS_PARSEDREQUEST_H
#define MUDUO_WS_PARSEDREQUEST_H

#include "muduo_ws/WebSocketHandshake.h"

namespace muduo {
namespace net {
class HttpRequest;
}
}  // namespace muduo

namespace wsmuduo {

struct ParsedRequest {
  ParsedRequest() : isHttp10(false) {}
  /// Of Muduo's own parser. It keeps the last of repeated headers, so a request with two keys looks right; ours does not.
  explicit ParsedRequest(const muduo::net::HttpRequest& request);

  /// Whether it asks for a WebSocket, right or wrong in its details: a GET with "Upgrade: websocket".
  bool asksForWebSocket() const;

  std::string method;    ///< "GET"
  std::string target;    ///< path and query, as they were sent
  HeaderFields headers;  ///< all of them, repeated ones too; names in any letter case
  bool isHttp10;         ///< the request line said HTTP/1.0
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_PARSEDREQUEST_H
