// Session: messages in, bytes out, and the pressure of a peer that takes them slowly.

#include "muduo_ws/Session.h"
#include "muduo_ws/StreamCore.h"

#include <muduo/base/Logging.h>
#include <muduo/net/TcpConnection.h>

#include <sys/uio.h>

#include <algorithm>

namespace wsmuduo {
namespace detail {

using muduo::net::TcpConnectionPtr;

namespace {

const int kMaxSlices = 32;
const size_t kJoinLimit = 64 * 1024;  // slices up to this in all are copied together, larger ones are written as they are
const size_t kMaxWrite = 256 * 1024;  // of one slice, since Muduo copies what the kernel does not take

}  // namespace

// ---- queueing ----

bool Session::hasRoomFor(size_t len) const {
  return bufferedAmount() + len + kFrameOverhead <= core_->options().maxBufferedAmount;
}

size_t Session::bufferedAmount() const { return handedBytes() + (handle_ ? handle_->outboxBytes() : 0); }

/// What the engine and Muduo hold.
size_t Session::handedBytes() const {
  const TcpConnectionPtr tcp = tcp_.lock();
  return ws_conn_queued_bytes(conn_) + (tcp ? tcp->outputBuffer()->readableBytes() : 0);
}

bool Session::send(Outgoing::Kind kind, const char* data, size_t len) {
  return beginSend(len) && queue(kind, data, len) == WS_OK;
}

bool Session::sendPrepared(const PreparedMessage& message) {
  return beginSend(message.size()) && ws_conn_queue_prepared(conn_, message.get()) == WS_OK;
}

/// What other threads sent earlier goes first. False: there is no room.
bool Session::beginSend(size_t len) {
  takeQueue();
  markDirty();
  if (hasRoomFor(len)) return true;
  handle_->noteRefusal();
  return false;
}

void Session::close(uint16_t code, const std::string& reason) {
  takeQueue();
  markDirty();
  closeBehindOutput(code, reason);
}

/// The time for the peer's answer begins with the close frame in the engine, and what is queued there is lost when it is
/// over. So the frame waits until all that was sent before is out, however slowly the peer takes it.
void Session::closeBehindOutput(uint16_t code, const std::string& reason) {
  if (handedBytes() == 0 && waitingStreams_.empty()) return queueClose(code, reason);
  closeWaits_ = true;
  closeCode_ = code;
  closeReason_ = reason;
}

/// What another thread has left. It has been counted as sent.
void Session::take(const Outgoing& message) {
  markDirty();
  ws_status status = WS_OK;
  switch (message.kind) {
    case Outgoing::kClose:
      closeBehindOutput(message.closeCode, message.data);
      break;
    case Outgoing::kPrepared:
      status = ws_conn_queue_prepared(conn_, message.prepared.get());
      break;
    default:
      status = queue(message.kind, message.data.data(), message.data.size());
      break;
  }
  if (status != WS_OK && status != WS_ERR_STATE) {  // STATE: the close handshake has begun meanwhile
    LOG_ERROR << "WebSocket " << handle_->name() << ": a message that send() had accepted cannot be queued: "
              << ws_strerror(status) << "; the connection is dropped";
    forceClose();
  }
  // Others must not see less than there is in between.
  handle_->publishHanded(handedBytes());
  handle_->settle(message);
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
  if (status != WS_OK && status != WS_ERR_STATE) engineFailed("ws_conn_queue_close", status);  // STATE: the peer was faster
}

// ---- writing ----

/// Everything that one turn of the loop has queued goes out in one write. While Muduo's buffer holds bytes that the kernel did
/// not take, the rest stays in the engine, where pongs are merged and pings overtake, so that nothing piles up.
void Session::flush(const TcpConnectionPtr& tcp) {
  while (!down_ && tcp->outputBuffer()->readableBytes() == 0) {
    struct iovec slices[kMaxSlices];
    const int count = ws_conn_output(conn_, slices, kMaxSlices);
    if (count < 0) engineFailed("ws_conn_output", count);
    if (count <= 0) break;
    hasWritten_ = true;
    const ws_status status = ws_conn_output_consume(conn_, writeSome(tcp, slices, count));
    if (status != WS_OK) return engineFailed("ws_conn_output_consume", status);
  }
  if (tcp->outputBuffer()->readableBytes() > 0) return awaitWriteComplete(tcp);
  if (!closeWaits_ || over_ || down_) return;
  if (moveStreams()) return flush(tcp);  // what was written to them before goes first
  closeWaits_ = false;
  queueClose(closeCode_, closeReason_);
  flush(tcp);
}

/// Writes some of the slices, at least one byte, with one call of TcpConnection::send. Returns how many bytes.
size_t Session::writeSome(const TcpConnectionPtr& tcp, const struct iovec* slices, int count) {
  if (count == 1 || slices[0].iov_len >= kJoinLimit) {
    const size_t len = std::min(slices[0].iov_len, kMaxWrite);
    write(tcp, static_cast<const char*>(slices[0].iov_base), len);
    return len;
  }
  std::string& joined = loopEngine_->scratch();
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

/// The callback is set only while somebody waits for it: Muduo would queue a functor for every write.
void Session::awaitWriteComplete(const TcpConnectionPtr& tcp) {
  loopEngine_->watch(shared_from_this());
  if (awaitsWriteComplete_) return;
  awaitsWriteComplete_ = true;
  lastWaiting_ = tcp->outputBuffer()->readableBytes();
  lastProgress_ = LoopEngine::now();
  const std::weak_ptr<Session> weak = shared_from_this();
  tcp->setWriteCompleteCallback([weak](const TcpConnectionPtr& conn) {
    conn->setWriteCompleteCallback(muduo::net::WriteCompleteCallback());
    const std::shared_ptr<Session> session = weak.lock();
    if (!session) return;
    session->awaitsWriteComplete_ = false;
    session->loopEngine_->updateTime();
    session->endTurn();
    session->loopEngine_->setTimer();
  });
}

// ---- pressure ----

void Session::tellOfPressure(size_t buffered) {
  const std::shared_ptr<const Callbacks> callbacks = callbacks_;
  const WebSocketConnectionPtr webSocket = webSocket_;
  if (!callbacks) return;
  if (buffered >= core_->options().highWaterMark && !isAboveHighWater_) {
    isAboveHighWater_ = true;
    if (callbacks->highWaterMark && isOpen()) callbacks->highWaterMark(webSocket, buffered);
    return;
  }
  if (buffered > core_->options().lowWaterMark) return;
  const bool waited = isAboveHighWater_ || handle_->wasRefused();
  isAboveHighWater_ = false;
  handle_->forgetRefusal();
  if (waited && callbacks->writable && isOpen() && !handle_->isClosing()) callbacks->writable(webSocket);
  if (hasWritten_ && !down_ && bufferedAmount() == 0) {  // asked again: more may have been sent just now
    hasWritten_ = false;
    if (callbacks->writeComplete && isOpen()) callbacks->writeComplete(webSocket);
  }
}

// ---- token streams ----

bool Session::queueStream(ws_stream* stream) {
  if (bufferedAmount() >= core_->options().highWaterMark) return false;
  const ws_status status = ws_stream_send(stream, conn_);
  const bool mayWait = status == WS_AGAIN || status == WS_ERR_STATE ||  // STATE: the close handshake has begun
                       (status == WS_ERR_QUEUE_FULL && bufferedAmount() > 0);
  if (status != WS_OK && !mayWait) engineFailed("ws_stream_send", status);
  return status == WS_OK;
}

/// Those that wait queue what they have, in turn. False: nothing was queued. Calls no callback.
bool Session::moveStreams() {
  const size_t before = ws_conn_queued_bytes(conn_);
  while (!waitingStreams_.empty()) {
    const std::shared_ptr<StreamCore> stream = waitingStreams_.front();
    waitingStreams_.pop_front();
    if (!stream->send(this)) {
      waitingStreams_.push_back(stream);
      break;
    }
    movedStreams_.push_back(stream);
  }
  return ws_conn_queued_bytes(conn_) > before;
}

/// Behind tellOfPressure(), with the same low water mark.
void Session::resumeStreams() {
  const bool hasRoom = !down_ && !over_ && bufferedAmount() <= core_->options().lowWaterMark;
  if (hasRoom && !waitingStreams_.empty() && moveStreams()) markDirty();
  std::vector<std::shared_ptr<StreamCore>> moved;
  moved.swap(movedStreams_);
  for (const std::shared_ptr<StreamCore>& stream : moved) stream->settle();
}

/// The connection is over: writers that were paused go on, and are told so by write().
void Session::endStreams() {
  std::deque<std::shared_ptr<StreamCore>> streams;
  streams.swap(waitingStreams_);
  streams.insert(streams.end(), movedStreams_.begin(), movedStreams_.end());
  movedStreams_.clear();
  for (const std::shared_ptr<StreamCore>& stream : streams) stream->onConnectionGone();
}

// ---- reading ----

void Session::setReading(bool isReading) {
  appStoppedRead_ = !isReading;
  markDirty();
}

/// A peer that does not read what it is sent is not read from; nor is one whom the application cannot keep up with.
void Session::applyReading(const TcpConnectionPtr& tcp) {
  const bool stop = (appStoppedRead_ || isAboveHighWater_) && !over_;
  if (stop == readIsStopped_ || isDropped_ || tcp->disconnected()) return;  // startRead() then would report it down again
  readIsStopped_ = stop;
  ws_conn_set_reading(conn_, stop ? 0 : 1);
  if (stop) {
    tcp->stopRead();
    loopEngine_->watch(shared_from_this());
  } else {
    tcp->startRead();
  }
}

}  // namespace detail
}  // namespace wsmuduo
