#include "muduo_ws/WebSocketConnection.h"

#include "muduo_ws/Handle.h"
#include "muduo_ws/Session.h"
#include "muduo_ws/Text.h"

namespace wsmuduo {

using detail::Outgoing;

namespace {

const size_t kMaxPing = 125;  // RFC 6455, 5.5

size_t lengthOf(const muduo::StringPiece& piece) { return static_cast<size_t>(piece.size()); }

}  // namespace

WebSocketConnection::WebSocketConnection(const std::shared_ptr<detail::Handle>& handle) : handle_(handle) {}

WebSocketConnection::~WebSocketConnection() {}

bool WebSocketConnection::send(const muduo::StringPiece& text) {
  return handle_->send(Outgoing::kText, text.data(), lengthOf(text));
}

bool WebSocketConnection::sendBinary(const muduo::StringPiece& data) {
  return handle_->send(Outgoing::kBinary, data.data(), lengthOf(data));
}

bool WebSocketConnection::ping(const muduo::StringPiece& data) {
  return lengthOf(data) <= kMaxPing && handle_->send(Outgoing::kPing, data.data(), lengthOf(data));
}

void WebSocketConnection::close(uint16_t code, const std::string& reason) { handle_->close(code, reason); }

void WebSocketConnection::forceClose() { handle_->forceClose(); }

size_t WebSocketConnection::bufferedAmount() const { return handle_->bufferedAmount(); }

bool WebSocketConnection::connected() const { return handle_->isOpen(); }

muduo::net::EventLoop* WebSocketConnection::getLoop() const { return handle_->loop(); }

const std::string& WebSocketConnection::name() const { return handle_->name(); }

const muduo::net::InetAddress& WebSocketConnection::peerAddress() const { return handle_->peerAddress(); }

const muduo::net::InetAddress& WebSocketConnection::localAddress() const { return handle_->localAddress(); }

const std::string& WebSocketConnection::path() const { return handle_->path(); }

const std::string& WebSocketConnection::query() const { return handle_->query(); }

std::string WebSocketConnection::header(const std::string& name) const {
  return detail::headerInHead(handle_->requestHead(), name);
}

const std::string& WebSocketConnection::subprotocol() const { return handle_->subprotocol(); }

uint16_t WebSocketConnection::closeCode() const { return handle_->closeCode(); }

std::string WebSocketConnection::closeReason() const { return handle_->closeReason(); }

muduo::net::TcpConnectionPtr WebSocketConnection::tcpConnection() const {
  detail::Session* session = handle_->session();
  return session == NULL ? muduo::net::TcpConnectionPtr() : session->tcp();
}

void WebSocketConnection::setWritableCallback(const WritableCallback& callback) {
  detail::Session* session = handle_->session();
  if (session != NULL) session->setWritableCallback(callback);
}

}  // namespace wsmuduo
