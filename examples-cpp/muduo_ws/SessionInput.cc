// Session: bytes in, events out.

#include "muduo_ws/ParsedRequest.h"
#include "muduo_ws/Session.h"

#include <muduo/base/Logging.h>
#include <muduo/net/TcpConnection.h>

namespace wsmuduo {
namespace detail {

using muduo::net::TcpConnectionPtr;

namespace {

const size_t kEvents = 16;  // pulled at once, when many small messages came with one read

class FlagGuard : muduo::noncopyable {
 public:
  explicit FlagGuard(bool* flag) : flag_(flag) { *flag_ = true; }
  ~FlagGuard() { *flag_ = false; }

 private:
  bool* const flag_;
};

}  // namespace

void Session::start(muduo::net::Buffer* buf, size_t headLen, muduo::Timestamp receiveTime) {
  if (headLen > 0) requestHead_.assign(buf->peek(), headLen);
  onInput(buf, receiveTime);
}

void Session::onInput(muduo::net::Buffer* buf, muduo::Timestamp receiveTime) {
  const std::shared_ptr<Session> self = shared_from_this();  // callbacks may end everything else
  receiveTime_ = receiveTime;
  if (over_) {
    buf->retrieveAll();
    return;
  }
  if (pulling_ || !pendingInput_.empty()) {  // the host reads inside one of its callbacks: its turn comes
    pendingInput_.append(buf->peek(), buf->readableBytes());
    buf->retrieveAll();
    return;
  }
  loopEngine_->updateTime();
  {
    LoopEngine::Input input(loopEngine_.get(), buf);
    feed(input.data(), input.size());
    pull();
  }
  endTurn();
  loopEngine_->setTimer();
}

void Session::feed(char* data, size_t len) {
  const ws_status status = ws_conn_feed_mut(conn_, data, len);
  inputIsHeld_ = status == WS_ERR_INPUT_PENDING;
  if (inputIsHeld_) {  // messages are held back for a peer that does not read
    pendingInput_.append(data, len);
  } else if (status != WS_OK) {
    engineFailed("ws_conn_feed_mut", status);
  }
}

/// What came while none could be taken.
void Session::feedPending() {
  if (pendingInput_.empty() || over_ || pulling_) return;
  std::string input;
  input.swap(pendingInput_);
  feed(&input[0], input.size());
  pull();
}

void Session::pull() {
  FlagGuard guard(&pulling_);
  while (!down_) {
    ws_event events[kEvents];
    size_t count = 0;
    const ws_status status = ws_conn_next_events(conn_, events, kEvents, &count);
    if (status == WS_AGAIN) return;
    if (status != WS_OK) return engineFailed("ws_conn_next_events", status);
    for (size_t i = 0; i < count && !down_; ++i) dispatch(events[i]);
  }
}

void Session::dispatch(const ws_event& event) {
  const std::shared_ptr<const Callbacks> callbacks = callbacks_;  // may be replaced inside
  const muduo::StringPiece data(event.data, static_cast<int>(event.len));
  switch (event.type) {
    case WS_EVENT_REQUEST:
      return onRequest(event);
    case WS_EVENT_OPEN:
      return onOpen(std::string(event.data, event.len));
    case WS_EVENT_TEXT:
    case WS_EVENT_BINARY:
      if (callbacks->message) callbacks->message(webSocket_, data, event.type == WS_EVENT_TEXT, receiveTime_);
      return;
    case WS_EVENT_CHUNK:
      if (callbacks->chunk) {
        const Chunk chunk = {data, event.opcode == WS_MESSAGE_TEXT, event.first == 1, event.last == 1, event.offset};
        callbacks->chunk(webSocket_, chunk, receiveTime_);
      }
      return;
    case WS_EVENT_PONG:
      if (callbacks->pong) callbacks->pong(webSocket_, data, event.rtt_ms);
      return;
    case WS_EVENT_CLOSE:
      LOG_DEBUG << "WebSocket: closed with " << static_cast<int>(event.close_code) << ": " << event.detail;
      return onClosed(event.close_code, std::string(event.data, event.len));
    default:
      return;  // pings are answered by the engine; what is writable is counted with Muduo's buffer
  }
}

void Session::onRequest(const ws_event& event) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (!tcp) return;
  handle_ = std::make_shared<Handle>(tcp, loopEngine_->queue(), std::string(event.data, event.len), requestHead_,
                                     core_->options().maxBufferedAmount);
  std::string().swap(requestHead_);
  webSocket_.reset(new WebSocketConnection(handle_));
  handle_->attach(this);

  if (core_->isStopping()) return reject(503, "The server is shutting down.\n", HeaderFields());
  callbacks_ = core_->findRoute(handle_->path());
  if (!callbacks_) return reject(404, "There is no WebSocket at this path.\n", HeaderFields());
  const HandshakeCallback& decide = callbacks_->handshake ? callbacks_->handshake : core_->handshakeCallback();
  if (!decide) return accept(std::string(), HeaderFields());
  const std::shared_ptr<const Callbacks> callbacks = callbacks_;
  const WebSocketHandshakePtr handshake(new WebSocketHandshake(webSocket_, handle_));
  decide(handshake);
}

void Session::onOpen(const std::string& subprotocol) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (!tcp) return;
  if (core_->options().tcpNoDelay) tcp->setTcpNoDelay(true);
  if (callbacks_->chunk) ws_conn_set_delivery(conn_, WS_DELIVER_CHUNKS);
  handle_->opened(subprotocol);
  core_->add(webSocket_);
  isObserved_ = true;
  for (const std::shared_ptr<SessionObserver>& observer : core_->observers()) observer->onOpen(this);
  const std::shared_ptr<const Callbacks> callbacks = callbacks_;
  if (callbacks->connection) callbacks->connection(webSocket_);
}

void Session::onClosed(uint16_t code, const std::string& reason) {
  over_ = true;
  if (!handle_) return;
  if (!handle_->closed(code, reason)) return handle_->detach();  // the client has its answer: a decision comes too late
  core_->remove(webSocket_.get());
  tellObserversOfEnd();
  const std::shared_ptr<const Callbacks> callbacks = callbacks_;
  const WebSocketConnectionPtr webSocket = webSocket_;
  if (callbacks->connection) callbacks->connection(webSocket);
  endStreams();
}

void Session::tellObserversOfEnd() {
  if (!isObserved_) return;
  isObserved_ = false;
  for (const std::shared_ptr<SessionObserver>& observer : core_->observers()) observer->onGone(this);
}

/// The request as a head, for whoever asks for its headers later.
void Session::keepParsedHead(const ParsedRequest& request) {
  requestHead_ = request.method + " " + request.target + " HTTP/1.1\r\n";
  for (const HeaderField& field : request.headers) requestHead_ += field.first + ": " + field.second + "\r\n";
  requestHead_ += "\r\n";
}

/// A bug here or in the engine: this connection ends, the server goes on.
void Session::engineFailed(const char* what, int status) {
  LOG_ERROR << "WebSocket: " << what << " failed: " << ws_strerror(status) << "; the connection is dropped";
  over_ = true;
  forceClose();
}

}  // namespace detail
}  // namespace wsmuduo
