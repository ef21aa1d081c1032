#include "muduo_ws/WebSocketConnection.h"

#include "muduo_ws/Callbacks.h"
#include "muduo_ws/Handle.h"
#include "muduo_ws/Session.h"
#include "muduo_ws/StreamCore.h"
#include "muduo_ws/Text.h"

#include <muduo/base/Logging.h>

namespace wsmuduo {

using detail::Outgoing;

namespace {

const size_t kMaxPing = 125;  // RFC 6455, 5.5

size_t lengthOf(const muduo::StringPiece& piece) { return static_cast<size_t>(piece.size()); }

}  // namespace

WebSocketConnection::WebSocketConnection(const std::shared_ptr<detail::Handle>& handle) : handle_(handle) {}

WebSocketConnection::~WebSocketConnection() {}

// ---- sending and reading ----

bool WebSocketConnection::send(const muduo::StringPiece& text) {
  return handle_->send(Outgoing::kText, text.data(), lengthOf(text));
}

bool WebSocketConnection::sendBinary(const muduo::StringPiece& data) {
  return handle_->send(Outgoing::kBinary, data.data(), lengthOf(data));
}

bool WebSocketConnection::sendPrepared(const PreparedMessage& message) { return handle_->sendPrepared(message); }

bool WebSocketConnection::ping(const muduo::StringPiece& data) {
  return lengthOf(data) <= kMaxPing && handle_->send(Outgoing::kPing, data.data(), lengthOf(data));
}

void WebSocketConnection::close(uint16_t code, const std::string& reason) { handle_->close(code, reason); }
void WebSocketConnection::forceClose() { handle_->forceClose(); }
size_t WebSocketConnection::bufferedAmount() const { return handle_->bufferedAmount(); }
void WebSocketConnection::stopRead() { handle_->setReading(false); }
void WebSocketConnection::startRead() { handle_->setReading(true); }

// ---- asking ----

bool WebSocketConnection::connected() const { return handle_->isOpen(); }
muduo::net::EventLoop* WebSocketConnection::getLoop() const { return handle_->loop(); }
const std::string& WebSocketConnection::name() const { return handle_->name(); }
const muduo::net::InetAddress& WebSocketConnection::peerAddress() const { return handle_->peerAddress(); }
const muduo::net::InetAddress& WebSocketConnection::localAddress() const { return handle_->localAddress(); }
const std::string& WebSocketConnection::path() const { return handle_->path(); }
const std::string& WebSocketConnection::query() const { return handle_->query(); }
const std::string& WebSocketConnection::subprotocol() const { return handle_->subprotocol(); }
uint16_t WebSocketConnection::closeCode() const { return handle_->closeCode(); }
std::string WebSocketConnection::closeReason() const { return handle_->closeReason(); }

std::string WebSocketConnection::header(const std::string& name) const {
  return detail::headerInHead(handle_->requestHead(), name);
}

// ---- in the loop ----

muduo::net::TcpConnectionPtr WebSocketConnection::tcpConnection() const {
  detail::Session* const session = handle_->session();
  return session == NULL ? muduo::net::TcpConnectionPtr() : session->tcp();
}

TokenStreamPtr WebSocketConnection::newTokenStream(const std::string& requestId) {
  if (!handle_->inLoopThread()) {
    LOG_ERROR << "WebSocketConnection::newTokenStream was called outside of the thread of its loop; the stream takes nothing";
    return detail::StreamCore::makeFinished();
  }
  if (!handle_->isOpen() || handle_->isClosing()) return detail::StreamCore::makeFinished();
  return detail::StreamCore::make(handle_->session()->loopEngine()->streams(), requestId, handle_);
}

namespace {

/// Null when the connection is gone: nothing will be called any more.
detail::Callbacks* callbacksOf(detail::Handle* handle) {
  detail::Session* const session = handle->session();
  return session == NULL ? NULL : session->ownCallbacks();
}

template <typename Callback>
void set(detail::Handle* handle, Callback detail::Callbacks::*which, const Callback& callback) {
  if (detail::Callbacks* const own = callbacksOf(handle)) own->*which = callback;
}

}  // namespace

void WebSocketConnection::setConnectionCallback(const ConnectionCallback& callback) {
  set(handle_.get(), &detail::Callbacks::connection, callback);
}
void WebSocketConnection::setMessageCallback(const MessageCallback& callback) {
  set(handle_.get(), &detail::Callbacks::message, callback);
}
void WebSocketConnection::setPongCallback(const PongCallback& callback) {
  set(handle_.get(), &detail::Callbacks::pong, callback);
}
void WebSocketConnection::setHighWaterMarkCallback(const HighWaterMarkCallback& callback) {
  set(handle_.get(), &detail::Callbacks::highWaterMark, callback);
}
void WebSocketConnection::setWritableCallback(const WritableCallback& callback) {
  set(handle_.get(), &detail::Callbacks::writable, callback);
}
void WebSocketConnection::setWriteCompleteCallback(const WriteCompleteCallback& callback) {
  set(handle_.get(), &detail::Callbacks::writeComplete, callback);
}

}  // namespace wsmuduo
