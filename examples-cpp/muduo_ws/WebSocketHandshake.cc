#include "muduo_ws/WebSocketHandshake.h"

#include "muduo_ws/Handle.h"
#include "muduo_ws/Session.h"
#include "muduo_ws/Text.h"

#include <muduo/base/Logging.h>

namespace wsmuduo {

using detail::Session;

WebSocketHandshake::WebSocketHandshake(const WebSocketConnectionPtr& connection, const std::shared_ptr<detail::Handle>& handle)
    : connection_(connection), handle_(handle), isDecided_(false) {}

WebSocketHandshake::~WebSocketHandshake() {
  if (isDecided_.load()) return;
  const bool isAsked = reject(500);
  if (isAsked) LOG_WARN << "WebSocket handshake for " << path() << " was dropped without accept() or reject(); 500 is sent";
}

const std::string& WebSocketHandshake::target() const { return handle_->target(); }
const std::string& WebSocketHandshake::path() const { return handle_->path(); }
const std::string& WebSocketHandshake::query() const { return handle_->query(); }
const muduo::net::InetAddress& WebSocketHandshake::peerAddress() const { return handle_->peerAddress(); }
const muduo::net::InetAddress& WebSocketHandshake::localAddress() const { return handle_->localAddress(); }

std::string WebSocketHandshake::queryParameter(const std::string& name) const {
  return detail::queryParameter(handle_->query(), name);
}

std::string WebSocketHandshake::header(const std::string& name) const {
  return detail::headerInHead(handle_->requestHead(), name);
}

std::string WebSocketHandshake::cookie(const std::string& name) const { return detail::cookieInHeader(header("Cookie"), name); }

bool WebSocketHandshake::isPending() const { return !isDecided_.load() && handle_->isAttached(); }

bool WebSocketHandshake::accept(const std::string& subprotocol, const HeaderFields& headers) {
  if (isDecided_.exchange(true)) return false;
  return handle_->post([subprotocol, headers](Session* session) {
    if (session != NULL) session->accept(subprotocol, headers);
  });
}

bool WebSocketHandshake::reject(int status, const std::string& body, const HeaderFields& headers) {
  if (isDecided_.exchange(true)) return false;
  return handle_->post([status, body, headers](Session* session) {
    if (session != NULL) session->reject(status, body, headers);
  });
}

}  // namespace wsmuduo
