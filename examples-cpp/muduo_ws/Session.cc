#include "muduo_ws/Session.h"

#include "muduo_ws/Text.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <netinet/tcp.h>
#include <sys/uio.h>

#include <algorithm>

namespace wsmuduo {
namespace detail {

using muduo::net::TcpConnectionPtr;

namespace {

const int kMaxSlices = 32;
const size_t kJoinLimit = 64 * 1024;       // slices up to this in all are copied together, larger ones are written as they are
const size_t kMaxWrite = 1024 * 1024 * 1024;  // TcpConnection::send takes an int
const double kFirstWatch = 0.005;          // a peer that is only busy is back within milliseconds
const double kSlowestWatch = 0.25;
const double kStallWatch = 1.0;            // when only the write stall is looked for

class FlagGuard : muduo::noncopyable {
 public:
  explicit FlagGuard(bool* flag) : flag_(flag) { *flag_ = true; }
  ~FlagGuard() { *flag_ = false; }

 private:
  bool* const flag_;
};

}  // namespace

Session::Session(const std::shared_ptr<ServerCore>& core, const std::shared_ptr<LoopEngine>& loopEngine,
                 const TcpConnectionPtr& tcp, const WebSocketServer::Sink& sink)
    : core_(core),
      loopEngine_(loopEngine),
      tcp_(tcp),
      loop_(tcp->getLoop()),
      sink_(sink),
      conn_(ws_conn_new_server(loopEngine->engine)),
      pulling_(false),
      flushQueued_(false),
      shutdownStarted_(false),
      over_(false),
      down_(false),
      lastWaiting_(0),
      lastProgress_(Clock::now()),
      watchDelay_(0),
      nextWatch_(kFirstWatch),
      watchGeneration_(0) {}

Session::~Session() { ws_conn_free(conn_); }

// ---- from the host's callbacks ----

void Session::start(muduo::net::Buffer* buf, size_t headLen, muduo::Timestamp receiveTime) {
  const std::shared_ptr<Session> self = shared_from_this();  // callbacks may end everything else
  receiveTime_ = receiveTime;
  requestHead_.assign(buf->peek(), headLen);
  feed(buf->peek(), buf->readableBytes());
  buf->retrieveAll();
  pull();
  endTurn();
}

void Session::onInput(muduo::net::Buffer* buf, muduo::Timestamp receiveTime) {
  const std::shared_ptr<Session> self = shared_from_this();
  receiveTime_ = receiveTime;
  if (over_) {
    buf->retrieveAll();
    return;
  }
  if (pulling_) {  // the host reads inside one of its callbacks: its turn comes
    inputDuringPull_.append(buf->peek(), buf->readableBytes());
    buf->retrieveAll();
    return;
  }
  feed(buf->peek(), buf->readableBytes());
  buf->retrieveAll();  // before any callback: the engine has its copy, and the buffer may be the host's own and go
  pull();
  endTurn();
}

void Session::onWriteComplete() {
  const std::shared_ptr<Session> self = shared_from_this();
  endTurn();
}

void Session::onDown() {
  const std::shared_ptr<Session> self = shared_from_this();
  if (!pulling_ && !over_ && ws_conn_feed_eof(conn_) == WS_OK) pull();
  onClosed(1006, std::string());  // inside a callback nothing can be pulled: this is how it ends then
  abandon();
}

void Session::abandon() {
  down_ = true;
  over_ = true;
  sink_ = WebSocketServer::Sink();
  writableCallback_ = WritableCallback();
  if (!handle_) return;
  handle_->detach();
  core_->remove(webSocket_);
}

// ---- events ----

void Session::feed(const char* data, size_t len) {
  const ws_status status = ws_conn_feed(conn_, data, len);
  if (status != WS_OK) engineFailed("ws_conn_feed", status);
}

void Session::pull() {
  FlagGuard guard(&pulling_);
  while (!down_) {
    ws_event event;
    const ws_status status = ws_conn_next_event(conn_, &event);
    if (status == WS_OK) {
      dispatch(event);
    } else if (status == WS_AGAIN) {
      if (over_ || inputDuringPull_.empty()) return;
      std::string input;
      input.swap(inputDuringPull_);
      feed(input.data(), input.size());
    } else {
      engineFailed("ws_conn_next_event", status);
      return;
    }
  }
}

void Session::dispatch(const ws_event& event) {
  switch (event.type) {
    case WS_EVENT_REQUEST:
      onRequest(std::string(event.data, event.len));
      break;
    case WS_EVENT_OPEN:
      onOpen(std::string(event.data, event.len));
      break;
    case WS_EVENT_TEXT:
    case WS_EVENT_BINARY:
      if (route_->onMessage) {
        const std::shared_ptr<const Route> route = route_;
        const WebSocketConnectionPtr webSocket = webSocket_;
        route->onMessage(webSocket, muduo::StringPiece(event.data, static_cast<int>(event.len)),
                         event.type == WS_EVENT_TEXT, receiveTime_);
      }
      break;
    case WS_EVENT_CLOSE:
      LOG_DEBUG << "WebSocket: closed with " << static_cast<int>(event.close_code) << ": " << event.detail;
      onClosed(event.close_code, std::string(event.data, event.len));
      break;
    default:
      break;  // pings are answered by the engine
  }
}

void Session::onRequest(const std::string& target) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (!tcp) return;
  handle_ = std::make_shared<Handle>(tcp, target, requestHead_, core_->options().maxBufferedAmount);
  std::string().swap(requestHead_);
  webSocket_.reset(new WebSocketConnection(handle_));
  handle_->attach(shared_from_this());

  route_ = core_->findRoute(handle_->path());
  if (!route_) return refuse(404);
  if (core_->handshakeCallback()) {
    const WebSocketConnectionPtr webSocket = webSocket_;
    const int status = core_->handshakeCallback()(webSocket);
    if (down_) return;
    if (status != 101) return refuse(status);
  }
  const ws_status status = ws_conn_accept(conn_, NULL, NULL, 0);
  if (status != WS_OK) engineFailed("ws_conn_accept", status);
}

void Session::refuse(int status) {
  static const char kType[] = "Content-Type";
  static const char kPlain[] = "text/plain; charset=utf-8";
  if (status < 300 || status > 599) {
    LOG_ERROR << "WebSocket handshake callback returned " << status << "; it must be 101 or 300 to 599; 500 is sent";
    status = 500;
  }
  const std::string body = status == 404 ? "There is no WebSocket at this path.\n" : "The WebSocket handshake was refused.\n";
  const ws_header header = {kType, sizeof kType - 1, kPlain, sizeof kPlain - 1};
  const ws_status rejected = ws_conn_reject(conn_, status, &header, 1, body.data(), body.size());
  if (rejected != WS_OK) engineFailed("ws_conn_reject", rejected);
}

void Session::onOpen(const std::string& subprotocol) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (!tcp) return;
  if (core_->options().tcpNoDelay) tcp->setTcpNoDelay(true);
  handle_->opened(subprotocol);
  core_->add(webSocket_);
  if (route_->onConnection) {
    const std::shared_ptr<const Route> route = route_;
    const WebSocketConnectionPtr webSocket = webSocket_;
    route->onConnection(webSocket);
  }
}

void Session::onClosed(uint16_t code, const std::string& reason) {
  over_ = true;
  if (!handle_ || !handle_->closed(code, reason)) return;
  core_->remove(webSocket_);
  if (route_->onConnection) {
    const std::shared_ptr<const Route> route = route_;
    const WebSocketConnectionPtr webSocket = webSocket_;
    route->onConnection(webSocket);
  }
}

/// A bug here or in the engine: this connection ends, the server goes on.
void Session::engineFailed(const char* what, int status) {
  LOG_ERROR << "WebSocket: " << what << " failed: " << ws_strerror(status) << "; the connection is dropped";
  over_ = true;
  forceClose();
}

// ---- sending, in the loop ----

bool Session::send(Outgoing::Kind kind, const char* data, size_t len) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (!tcp || !tcp->connected()) return false;
  drainOutbox();
  if (bufferedAmount() + len + kFrameOverhead > core_->options().maxBufferedAmount) {
    handle_->noteRefusal();
    flushAtEndOfTurn();  // which watches for room
    return false;
  }
  if (queue(kind, data, len) != WS_OK) return false;
  flushAtEndOfTurn();
  return true;
}

void Session::close(uint16_t code, const std::string& reason) {
  drainOutbox();
  queueClose(code, reason);
  flushAtEndOfTurn();
}

void Session::forceClose() {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (tcp) tcp->forceClose();  // queued by Muduo, so safe inside a callback
}

void Session::onWake() {
  handle_->noteAwake();
  drainOutbox();
  endTurn();
}

size_t Session::bufferedAmount() {
  const TcpConnectionPtr tcp = tcp_.lock();
  const size_t handed = tcp ? tcp->outputBuffer()->readableBytes() : 0;
  return ws_conn_queued_bytes(conn_) + handed + handle_->outboxBytes();
}

/// Before anything is queued from within the loop: what other threads sent earlier goes first.
void Session::drainOutbox() {
  if (!handle_ || !handle_->hasOutbox()) return;
  std::vector<Outgoing> messages;
  const size_t cost = handle_->takeOutbox(&messages);
  for (const Outgoing& message : messages) {
    if (message.kind == Outgoing::kClose) {
      queueClose(message.closeCode, message.data);
      continue;
    }
    const ws_status status = queue(message.kind, message.data.data(), message.data.size());
    if (status == WS_OK || status == WS_ERR_STATE) continue;  // STATE: the close handshake has begun meanwhile
    LOG_ERROR << "WebSocket " << handle_->name() << ": a message that send() had accepted cannot be queued: "
              << ws_strerror(status) << "; the connection is dropped";
    forceClose();
    break;
  }
  const TcpConnectionPtr tcp = tcp_.lock();
  handle_->publishHanded(ws_conn_queued_bytes(conn_) + (tcp ? tcp->outputBuffer()->readableBytes() : 0));
  handle_->settle(cost);
}

ws_status Session::queue(Outgoing::Kind kind, const char* data, size_t len) {
  switch (kind) {
    case Outgoing::kText:
      return ws_conn_queue_text(conn_, data, len);
    case Outgoing::kBinary:
      return ws_conn_queue_binary(conn_, data, len);
    default:
      return ws_conn_queue_ping(conn_, data, len);
  }
}

void Session::queueClose(uint16_t code, const std::string& reason) {
  const ws_status status = ws_conn_queue_close(conn_, code, reason.data(), reason.size());
  if (status == WS_ERR_STATE) return;  // the peer was faster
  if (status != WS_OK) return engineFailed("ws_conn_queue_close", status);
  startCloseTimer();
}

// ---- output ----

/// Everything that one turn of the loop queues goes out in one write at its end.
void Session::flushAtEndOfTurn() {
  if (pulling_ || flushQueued_) return;  // while pulling, endTurn() follows
  flushQueued_ = true;
  const std::weak_ptr<Session> weak = shared_from_this();
  loop_->queueInLoop([weak]() {
    if (const std::shared_ptr<Session> session = weak.lock()) {
      session->flushQueued_ = false;
      session->endTurn();
    }
  });
}

void Session::endTurn() {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (down_ || pulling_ || !tcp) return;
  if (tcp->connected()) flush(tcp);
  if (down_) return;

  if (ws_conn_wants_abort(conn_) == 1) {
    tcp->forceClose();
  } else if (ws_conn_wants_shutdown(conn_) == 1 && !shutdownStarted_) {
    shutdownStarted_ = true;
    if (sink_) sink_(NULL, 0);
    tcp->shutdown();
    tcp->forceCloseWithDelay(core_->options().lingerSeconds);
  }
  if (!handle_) return;
  const size_t buffered = bufferedAmount();
  handle_->publishHanded(buffered - handle_->outboxBytes());
  tellWritable(buffered);
  if (!down_) watchOutput(tcp);
}

void Session::flush(const TcpConnectionPtr& tcp) {
  const size_t limit = core_->options().maxBufferedAmount;
  noteProgress(tcp->outputBuffer()->readableBytes());
  while (!down_) {
    // A peer that does not read: what is left stays in the engine, which merges pongs, so that pings cannot pile up
    // answers. watchOutput() comes back to it.
    const bool isFull = tcp->outputBuffer()->readableBytes() >= limit;
    if (isFull && ws_conn_state(conn_) == WS_STATE_OPEN) break;
    struct iovec slices[kMaxSlices];
    const int count = ws_conn_output(conn_, slices, kMaxSlices);
    if (count < 0) engineFailed("ws_conn_output", count);
    if (count <= 0) break;
    const ws_status status = ws_conn_output_consume(conn_, writeSome(tcp, slices, count));
    if (status != WS_OK) return engineFailed("ws_conn_output_consume", status);
  }
  lastWaiting_ = tcp->outputBuffer()->readableBytes();
}

/// Writes some of the slices, at least one byte, with one call of TcpConnection::send. Returns how many bytes.
size_t Session::writeSome(const TcpConnectionPtr& tcp, const struct iovec* slices, int count) {
  if (count == 1 || slices[0].iov_len >= kJoinLimit) {
    const size_t len = std::min(slices[0].iov_len, kMaxWrite);
    write(tcp, static_cast<const char*>(slices[0].iov_base), len);
    return len;
  }
  std::string& joined = loopEngine_->scratch;
  joined.clear();
  for (int i = 0; i < count && joined.size() + slices[i].iov_len <= kJoinLimit; ++i) {
    joined.append(static_cast<const char*>(slices[i].iov_base), slices[i].iov_len);
  }
  write(tcp, joined.data(), joined.size());
  return joined.size();
}

void Session::write(const TcpConnectionPtr& tcp, const char* data, size_t len) {
  if (sink_) {
    const WebSocketServer::Sink sink = sink_;  // the host may drop its own inside
    sink(data, len);
  } else {
    tcp->send(data, static_cast<int>(len));
  }
}

void Session::tellWritable(size_t buffered) {
  if (!handle_->wasRefused() || buffered > core_->options().maxBufferedAmount / 2) return;
  handle_->forgetRefusal();
  if (!writableCallback_ || !handle_->isOpen() || handle_->isClosing()) return;
  const WritableCallback callback = writableCallback_;
  const WebSocketConnectionPtr webSocket = webSocket_;
  callback(webSocket);
}

// ---- time ----

void Session::noteProgress(size_t waiting) {
  if (waiting < lastWaiting_ || lastWaiting_ == 0) lastProgress_ = Clock::now();
  lastWaiting_ = waiting;
}

/// The kernel takes bytes of Muduo's only when a good part of its own buffer, often megabytes, is free again. A slow peer
/// may need long for those: what the kernel has sent meanwhile is progress too. (Window probes carry no data.)
void Session::noteTransmission(const TcpConnectionPtr& tcp) {
  struct tcp_info info;
  if (!tcp->getTcpInfo(&info)) return;
  lastProgress_ = std::max(lastProgress_, Clock::now() - std::chrono::milliseconds(info.tcpi_last_data_sent));
}

/// Nobody tells the adapter when Muduo's output buffer drains, since that callback is the host's. While bytes wait
/// there, a timer looks: soon and then slower when somebody waits for room, once a second for a stall.
void Session::watchOutput(const TcpConnectionPtr& tcp) {
  const size_t waiting = tcp->outputBuffer()->readableBytes();
  const bool somebodyWaits = handle_->wasRefused() || ws_conn_queued_bytes(conn_) > 0;
  if (!tcp->connected() || (waiting == 0 && !somebodyWaits)) return;
  if (!somebodyWaits && core_->options().writeStallSeconds <= 0) return;
  const double delay = somebodyWaits ? nextWatch_ : kStallWatch;
  const bool quickEnough = watchDelay_ > 0 && watchDelay_ <= std::max(delay, kSlowestWatch);
  if (quickEnough) return;
  watchDelay_ = delay;
  const unsigned generation = ++watchGeneration_;  // a slower one that runs is outdated
  const std::weak_ptr<Session> weak = shared_from_this();
  loop_->runAfter(delay, [weak, generation]() {
    if (const std::shared_ptr<Session> session = weak.lock()) session->onWatch(generation);
  });
}

void Session::onWatch(unsigned generation) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (generation != watchGeneration_ || down_ || !tcp) return;
  const double stall = core_->options().writeStallSeconds;
  const size_t waiting = tcp->outputBuffer()->readableBytes();
  const bool progressed = waiting < lastWaiting_;
  noteProgress(waiting);
  noteTransmission(tcp);
  nextWatch_ = progressed ? kFirstWatch : std::min(watchDelay_ * 2, kSlowestWatch);
  watchDelay_ = 0;
  if (stall > 0 && waiting > 0 && Clock::now() - lastProgress_ > std::chrono::duration<double>(stall)) {
    LOG_WARN << "WebSocket " << tcp->name() << ": the peer has taken no byte for " << stall << " s with " << waiting
             << " waiting; the connection is dropped";
    forceClose();
    return;
  }
  endTurn();
}

/// The peer has not answered our close frame. As long as it takes what is in front of it, it has not seen it yet; a
/// stall is then the watch's business.
void Session::onCloseTimeout() {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (over_ || down_ || !tcp) return;
  if (tcp->outputBuffer()->readableBytes() > 0 && core_->options().writeStallSeconds > 0) {
    startCloseTimer();
    return;
  }
  LOG_DEBUG << "WebSocket " << tcp->name() << ": no answer to our close frame; the connection is dropped";
  forceClose();
}

void Session::startCloseTimer() {
  const std::weak_ptr<Session> weak = shared_from_this();
  loop_->runAfter(core_->options().closeTimeoutSeconds, [weak]() {
    if (const std::shared_ptr<Session> session = weak.lock()) session->onCloseTimeout();
  });
}

}  // namespace detail
}  // namespace wsmuduo
