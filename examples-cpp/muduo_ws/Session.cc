#include "muduo_ws/Session.h"

#include "muduo_ws/ParsedRequest.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <netinet/tcp.h>

#include <algorithm>

namespace wsmuduo {
namespace detail {

using muduo::net::TcpConnectionPtr;

namespace {

ws_header toHeader(const HeaderField& field) {
  const ws_header header = {field.first.data(), field.first.size(), field.second.data(), field.second.size()};
  return header;
}

std::vector<ws_header> toHeaders(const HeaderFields& fields) {
  std::vector<ws_header> headers;
  headers.reserve(fields.size() + 1);
  for (const HeaderField& field : fields) headers.push_back(toHeader(field));
  return headers;
}

ws_conn* newConn(ws_engine* engine, const ParsedRequest* parsed) {
  if (parsed == NULL) return ws_conn_new_server(engine);
  const std::vector<ws_header> headers = toHeaders(parsed->headers);
  ws_parsed_request request = ws_parsed_request();
  request.struct_size = sizeof request;
  request.method = parsed->method.data();
  request.method_len = parsed->method.size();
  request.target = parsed->target.data();
  request.target_len = parsed->target.size();
  request.headers = headers.data();
  request.header_count = headers.size();
  request.http_1_0 = parsed->isHttp10 ? 1 : 0;
  ws_conn* conn = NULL;
  ws_conn_new_server_from_request(engine, &request, &conn);
  return conn;
}

}  // namespace

Session::Session(const std::shared_ptr<ServerCore>& core, const std::shared_ptr<LoopEngine>& loopEngine,
                 const TcpConnectionPtr& tcp, const WebSocketServer::Sink& sink, const ParsedRequest* request)
    : core_(core),
      loopEngine_(loopEngine),
      tcp_(tcp),
      sink_(sink),
      conn_(NULL),
      inputIsHeld_(false),
      pulling_(false),
      isDirty_(false),
      shutdownStarted_(false),
      over_(false),
      isObserved_(false),
      down_(false),
      isDropped_(false),
      closeWaits_(false),
      closeCode_(0),
      awaitsWriteComplete_(false),
      hasWritten_(false),
      isAboveHighWater_(false),
      appStoppedRead_(false),
      readIsStopped_(false),
      lastWaiting_(0),
      lastProgress_(0) {
  loopEngine_->updateTime();  // the engine's deadlines count from here
  conn_ = newConn(loopEngine_->engine(), request);
  ws_conn_set_user_data(conn_, this);
  if (request != NULL) keepParsedHead(*request);
}

Session::~Session() { ws_conn_free(conn_); }

// ---- the end ----

void Session::onDown() {
  const std::shared_ptr<Session> self = shared_from_this();
  loopEngine_->updateTime();
  if (!pulling_ && !over_) {
    ws_conn_set_reading(conn_, 1);  // what was held back for a peer that did not read is not lost
    pull();
    feedPending();
    if (!over_ && ws_conn_feed_eof(conn_) == WS_OK) pull();
  }
  onClosed(1006, std::string());  // inside a callback nothing can be pulled: this is how it ends then
  abandon();
}

/// Everything of the connection is released here, in its loop, whoever drops the last pointer later.
void Session::abandon() {
  if (down_) return;
  down_ = true;
  over_ = true;
  sink_ = WebSocketServer::Sink();
  std::string().swap(pendingInput_);
  if (!handle_) return;
  tellObserversOfEnd();
  handle_->detach();
  core_->remove(webSocket_.get());
  waitingStreams_.clear();  // LoopStreams releases them
  movedStreams_.clear();
  if (!pulling_) {  // else the callback that runs is one of them
    callbacks_.reset();
    webSocket_.reset();
  }
}

void Session::forceClose() {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (tcp) drop(tcp);
}

/// Muduo puts a channel without events back into epoll when it disables it for good, and a peer that is gone then closes
/// the connection a second time. So one that is not read from is read from again first.
void Session::drop(const TcpConnectionPtr& tcp) {
  if (readIsStopped_ && !tcp->disconnected()) {
    readIsStopped_ = false;
    tcp->startRead();
  }
  isDropped_ = true;
  tcp->forceClose();  // queued by Muduo, so safe inside a callback
}

void Session::stop() {
  if (down_ || over_) return;
  switch (ws_conn_state(conn_)) {
    case WS_STATE_OPEN:
      handle_->close(1001, "server is shutting down");
      break;
    case WS_STATE_CONNECTING:
      if (handle_) reject(503, "The server is shutting down.\n", HeaderFields());
      break;
    default:
      break;
  }
}

// ---- the handshake's decision ----

void Session::accept(const std::string& subprotocol, const HeaderFields& fields) {
  if (core_->isStopping()) return reject(503, "The server is shutting down.\n", HeaderFields());
  const std::vector<ws_header> headers = toHeaders(fields);
  const ws_status status =
      ws_conn_accept(conn_, subprotocol.empty() ? NULL : subprotocol.c_str(), headers.data(), headers.size());
  if (status == WS_ERR_INVALID_ARGUMENT) {
    LOG_ERROR << "WebSocket handshake: accept(\"" << subprotocol << "\") with " << fields.size()
              << " headers: the subprotocol was not offered, or a header would break the answer; 500 is sent";
    return reject(500, std::string(), HeaderFields());
  }
  markDirty();  // WS_ERR_STATE: the client gave up, or its time was over
}

void Session::reject(int status, const std::string& body, const HeaderFields& fields) {
  static const HeaderField kPlainText("Content-Type", "text/plain; charset=utf-8");
  if (status < 300 || status > 599) {
    LOG_ERROR << "WebSocket handshake: reject(" << status << "): the status must be 300 to 599; 500 is sent";
    status = 500;
  }
  std::vector<ws_header> headers = toHeaders(fields);
  headers.push_back(toHeader(kPlainText));
  const std::string text = body.empty() ? "The WebSocket handshake was refused.\n" : body;
  const ws_status rejected = ws_conn_reject(conn_, status, headers.data(), headers.size(), text.data(), text.size());
  if (rejected == WS_ERR_INVALID_ARGUMENT) {
    LOG_ERROR << "WebSocket handshake: reject(" << status << "): a header would break the answer; 500 is sent";
    ws_conn_reject(conn_, 500, NULL, 0, NULL, 0);
  }
  markDirty();
}

// ---- turns ----

void Session::markDirty() {
  if (pulling_ || isDirty_ || down_) return;  // while pulling, endTurn() follows
  isDirty_ = true;
  loopEngine_->beginTurn();
  loopEngine_->markDirty(shared_from_this());
}

void Session::endTurn() {
  const std::shared_ptr<Session> self = shared_from_this();  // callbacks may end everything else
  isDirty_ = false;
  TcpConnectionPtr tcp = tcp_.lock();
  if (down_ || pulling_ || !tcp) return;
  if (ws_conn_has_events(conn_) == 1) pull();
  feedPending();
  if (!down_ && tcp->connected()) flush(tcp);
  if (down_) return;
  endSocket(tcp);
  if (handle_) {
    const size_t handed = handedBytes();
    handle_->publishHanded(handed);
    tellOfPressure(handed + handle_->outboxBytes());
    resumeStreams();
  }
  if (down_) return;
  applyReading(tcp);
  // Input that is held waits for the output to fall, which is a turn of its own.
  if (ws_conn_has_events(conn_) == 1 || (!pendingInput_.empty() && !inputIsHeld_)) markDirty();
}

/// The engine says what becomes of the socket (RFC 6455, 7.1.1). Muduo drops what is sent after shutdown(), and drops what
/// waits in its buffer at forceClose(): so all output first, then the one, then the other.
void Session::endSocket(const TcpConnectionPtr& tcp) {
  const bool isOver = ws_conn_wants_abort(conn_) == 1;
  if (!isOver && ws_conn_wants_shutdown(conn_) != 1) return;
  if (!shutdownStarted_) {
    shutdownStarted_ = true;
    if (sink_ && tcp->connected()) sink_(NULL, 0);
    tcp->shutdown();
  }
  const bool mayWait = tcp->outputBuffer()->readableBytes() > 0 && core_->options().writeStallSeconds > 0;
  if (isOver && !mayWait) drop(tcp);  // else a slow peer gets its bytes, and look() ends it when it takes none
}

/// Now and then while output waits or reading is stopped: for a peer that takes nothing, and for one that is gone.
bool Session::look(uint64_t nowMs) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (down_ || !tcp) return false;
  const size_t waiting = tcp->outputBuffer()->readableBytes();
  struct tcp_info info;
  const bool isKnown = tcp->getTcpInfo(&info);
  if (isKnown && info.tcpi_state == TCP_CLOSE) {  // Muduo has not seen it: it does not read, or its write failed
    drop(tcp);
    return false;
  }
  if (waiting > 0) {
    // The kernel takes bytes of Muduo's only when a good part of its own buffer, often megabytes, is free again. A slow peer
    // may need long for those: what the kernel has sent meanwhile is progress too. (Window probes carry no data.)
    uint64_t progress = waiting < lastWaiting_ ? nowMs : lastProgress_;
    if (isKnown && nowMs > info.tcpi_last_data_sent) progress = std::max(progress, nowMs - info.tcpi_last_data_sent);
    if (progress > lastProgress_ && !readIsStopped_) {
      ws_conn_set_reading(conn_, 0);  // a sign of life that the engine cannot see: the time for a pong counts anew
      ws_conn_set_reading(conn_, 1);
    }
    lastProgress_ = progress;
    const double stall = core_->options().writeStallSeconds;
    if (stall > 0 && static_cast<double>(nowMs - lastProgress_) > stall * 1000) {
      LOG_WARN << "WebSocket " << tcp->name() << ": the peer has taken no byte for " << stall << " s with " << waiting
               << " waiting; the connection is dropped";
      drop(tcp);
      return false;
    }
  }
  lastWaiting_ = waiting;
  endTurn();
  return !down_ && (tcp->outputBuffer()->readableBytes() > 0 || readIsStopped_);
}

Callbacks* Session::ownCallbacks() {
  const std::shared_ptr<Callbacks> own = callbacks_ ? std::make_shared<Callbacks>(*callbacks_) : std::make_shared<Callbacks>();
  callbacks_ = own;
  return own.get();
}

}  // namespace detail
}  // namespace wsmuduo
