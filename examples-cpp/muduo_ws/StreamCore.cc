#include "muduo_ws/StreamCore.h"

#include "muduo_ws/Handle.h"
#include "muduo_ws/LoopEngine.h"
#include "muduo_ws/Session.h"

#include <muduo/base/Logging.h>

namespace wsmuduo {
namespace detail {

// ---- making ----

TokenStreamPtr StreamCore::make(const std::shared_ptr<LoopStreams>& streams, const std::string& requestId,
                                const TokenStream::MessageCallback& callback) {
  return make(streams, requestId, callback, std::shared_ptr<Handle>());
}

TokenStreamPtr StreamCore::make(const std::shared_ptr<LoopStreams>& streams, const std::string& requestId,
                                const std::shared_ptr<Handle>& handle) {
  return make(streams, requestId, TokenStream::MessageCallback(), handle);
}

TokenStreamPtr StreamCore::make(const std::shared_ptr<LoopStreams>& streams, const std::string& requestId,
                                const TokenStream::MessageCallback& callback, const std::shared_ptr<Handle>& handle) {
  ws_stream* stream = NULL;
  const char* const id = requestId.empty() ? NULL : requestId.data();
  const ws_status status = ws_stream_new(streams->engine()->engine(), id, requestId.size(), &stream);
  if (status != WS_OK) {
    LOG_ERROR << "newTokenStream: the requestId: " << ws_strerror(status) << "; the stream takes nothing";
    return makeFinished();
  }
  const std::shared_ptr<StreamCore> core = std::make_shared<StreamCore>(streams, stream, callback, handle);
  streams->add(core);
  return TokenStreamPtr(new TokenStream(core));
}

TokenStreamPtr StreamCore::makeFinished() { return TokenStreamPtr(new TokenStream(std::shared_ptr<StreamCore>())); }

StreamCore::StreamCore(const std::shared_ptr<LoopStreams>& streams, ws_stream* stream,
                       const TokenStream::MessageCallback& callback, const std::shared_ptr<Handle>& handle)
    : streams_(streams),
      handle_(handle),
      callback_(callback ? std::make_shared<const TokenStream::MessageCallback>(callback) : NULL),
      stream_(stream),
      isEnded_(false),
      isDelivering_(false),
      waits_(false),
      isPaused_(false) {
  ws_stream_set_user_data(stream_, this);
}

StreamCore::~StreamCore() { ws_stream_free(stream_); }  // NULL: it was released, in its loop or behind its end

// ---- the writer ----

bool StreamCore::write(const char* data, size_t len) {
  if (!mayBeUsed("write")) return false;
  streams_->engine()->beginTurn();
  if (ws_stream_write(stream_, data, len) != WS_OK) return false;
  handOver();
  return true;
}

bool StreamCore::end(const char* what, const std::function<ws_status(ws_stream*)>& how) {
  if (!mayBeUsed(what)) return false;
  streams_->engine()->beginTurn();
  if (how(stream_) != WS_OK) return false;
  isEnded_ = true;
  handOver();
  return true;
}

bool StreamCore::isEnded() const {
  return stream_ == NULL || isEnded_ || (handle_ && (!handle_->isOpen() || handle_->isClosing()));
}

bool StreamCore::mayBeUsed(const char* what) const {
  if (!streams_->isInLoop()) {
    LOG_ERROR << "TokenStream::" << what << "() was called outside of the thread of its loop; nothing was done";
    return false;
  }
  return !isEnded();
}

/// The ws_stream is not for another thread.
void StreamCore::drop() {
  if (streams_->isInLoop()) {
    dropInLoop();
  } else {
    streams_->drop(shared_from_this());
  }
}

void StreamCore::dropInLoop() {
  const std::shared_ptr<StreamCore> self = shared_from_this();
  pauseCallback_ = TokenStream::PauseCallback();
  if (stream_ == NULL) return;
  if (!handle_) return release();
  if (isEnded_) return;  // what waits for the connection still goes there
  isEnded_ = true;
  streams_->engine()->beginTurn();
  ws_stream_cancel(stream_);
  sendOrWait();
}

// ---- the messages ----

/// All that is due goes to whom it is for.
void StreamCore::handOver() {
  const std::shared_ptr<StreamCore> self = shared_from_this();  // callbacks may end everything else
  if (handle_) {
    sendOrWait();
  } else {
    deliver();
  }
}

void StreamCore::deliver() {
  if (isDelivering_) return;  // what a callback makes due follows when it has returned
  isDelivering_ = true;
  const std::shared_ptr<const TokenStream::MessageCallback> callback = callback_;
  ws_stream_message message = ws_stream_message();
  message.struct_size = sizeof message;
  while (stream_ != NULL && ws_stream_next(stream_, &message) == WS_OK) {
    const std::string json(message.data, message.len);  // what is lent moves when the callback writes
    const TokenStream::Message told = {muduo::StringPiece(json), message.seq, message.done == 1};
    if (callback) (*callback)(told);
  }
  isDelivering_ = false;
  if (stream_ != NULL && ws_stream_is_finished(stream_) == 1) release();
}

void StreamCore::sendOrWait() {
  Session* const session = handle_->session();
  if (session == NULL || !handle_->isOpen()) return onConnectionGone();
  if (!waits_) {
    session->takeQueue();  // what other threads sent earlier goes first
    session->markDirty();
    if (!send(session)) session->addWaiting(shared_from_this());
  }
  settle();
}

bool StreamCore::send(Session* session) {
  if (stream_ == NULL) return true;
  const bool isSent = session->queueStream(stream_);
  waits_ = !isSent || (!isEnded_ && ws_stream_wants_more(stream_) != 1);
  return !waits_;
}

void StreamCore::settle() {
  if (stream_ == NULL) return;
  if (ws_stream_is_finished(stream_) == 1) return release();
  if (!isEnded_) tellOfPause(waits_ || ws_stream_wants_more(stream_) != 1);
}

void StreamCore::tellOfPause(bool isPaused) {
  if (isPaused == isPaused_) return;
  isPaused_ = isPaused;
  const TokenStream::PauseCallback callback = pauseCallback_;  // may be replaced inside, or dropped
  if (callback) callback(isPaused);
}

// ---- the end ----

void StreamCore::onConnectionGone() {
  const std::shared_ptr<StreamCore> self = shared_from_this();
  const bool isWriting = stream_ != NULL && !isEnded_;
  const TokenStream::PauseCallback callback = pauseCallback_;
  release();
  if (!isWriting || !isPaused_) return;
  isPaused_ = false;
  if (callback) callback(false);  // the next write() is false
}

void StreamCore::release() {
  if (stream_ == NULL) return;
  const std::shared_ptr<StreamCore> self = shared_from_this();
  ws_stream_free(stream_);
  stream_ = NULL;
  isEnded_ = true;
  streams_->remove(this);
  // What they hold may be the last pointers to anything, this stream included.
  const std::shared_ptr<const TokenStream::MessageCallback> callback = std::move(callback_);
  const TokenStream::PauseCallback pauseCallback = std::move(pauseCallback_);
  pauseCallback_ = TokenStream::PauseCallback();
}

}  // namespace detail
}  // namespace wsmuduo
