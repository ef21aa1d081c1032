#include "muduo_ws/Handle.h"

#include "muduo_ws/Session.h"
#include "muduo_ws/Text.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/TcpConnection.h>

namespace wsmuduo {
namespace detail {

Handle::Handle(const muduo::net::TcpConnectionPtr& tcp, const std::string& target, const std::string& requestHead,
               size_t limit)
    : loop_(tcp->getLoop()),
      loopThread_(std::this_thread::get_id()),
      name_(tcp->name()),
      peerAddress_(tcp->peerAddress()),
      localAddress_(tcp->localAddress()),
      requestHead_(requestHead),
      limit_(limit),
      session_(NULL),
      open_(false),
      closing_(false),
      refused_(false),
      closeCode_(0),
      outboxBytes_(0),
      handedBytes_(0),
      attached_(false),
      wakeQueued_(false) {
  splitTarget(target, &path_, &query_);
}

bool Handle::send(Outgoing::Kind kind, const char* data, size_t len) {
  if (!isOpen() || isClosing()) return false;
  if (inLoopThread()) return session_->send(kind, data, len);

  const size_t cost = len + kFrameOverhead;
  const bool isFull = handedBytes_.load(std::memory_order_acquire) + outboxBytes() + cost > limit_;
  if (!isFull && kind == Outgoing::kText && !isUtf8(data, len)) return false;
  Outgoing message = {kind, 0, isFull ? std::string() : std::string(data, len)};

  std::lock_guard<std::mutex> lock(mutex_);
  if (!attached_ || !isOpen() || isClosing()) return false;
  if (isFull || handedBytes_.load(std::memory_order_acquire) + outboxBytes() + cost > limit_) {
    noteRefusal();
    wakeLocked();  // the figures may be old: the loop renews them
    return false;
  }
  outboxBytes_.fetch_add(cost, std::memory_order_acq_rel);
  outbox_.push_back(std::move(message));
  wakeLocked();
  return true;
}

void Handle::close(uint16_t code, const std::string& reason) {
  if (!mayBeSent(code)) {
    LOG_ERROR << "WebSocket " << name_ << ": close code " << static_cast<int>(code)
              << " must not be sent (RFC 6455, 7.4); 1011 is sent instead";
    code = 1011;
  }
  const std::string fittingReason = code == 0 ? std::string() : closeReasonToSend(reason);
  if (!isOpen()) return;
  if (inLoopThread()) {
    if (beginClosing()) session_->close(code, fittingReason);
    return;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  if (!attached_ || !isOpen() || !beginClosing()) return;
  Outgoing message = {Outgoing::kClose, code, fittingReason};
  outboxBytes_.fetch_add(kFrameOverhead, std::memory_order_acq_rel);
  outbox_.push_back(std::move(message));
  wakeLocked();
}

void Handle::forceClose() {
  closing_.store(true);
  if (inLoopThread()) {
    if (session_ != NULL) session_->forceClose();
    return;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  if (!attached_) return;
  const std::weak_ptr<Session> weak = weakSession_;
  loop_->queueInLoop([weak]() {
    if (const std::shared_ptr<Session> session = weak.lock()) session->forceClose();
  });
}

size_t Handle::bufferedAmount() {
  if (inLoopThread()) return session_ == NULL ? 0 : session_->bufferedAmount();
  const size_t handed = handedBytes_.load(std::memory_order_acquire);
  if (handed != 0) {  // nobody tells the adapter when Muduo's buffer drains: look again, for the next who asks
    std::lock_guard<std::mutex> lock(mutex_);
    if (attached_) wakeLocked();
  }
  return handed + outboxBytes();
}

std::string Handle::closeReason() {
  std::lock_guard<std::mutex> lock(mutex_);
  return closeReason_;
}

void Handle::attach(const std::shared_ptr<Session>& session) {
  std::lock_guard<std::mutex> lock(mutex_);
  session_ = session.get();
  weakSession_ = session;
  attached_ = true;
}

void Handle::opened(const std::string& subprotocol) {
  subprotocol_ = subprotocol;
  open_.store(true, std::memory_order_release);
}

bool Handle::closed(uint16_t code, const std::string& reason) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!isOpen()) return false;
  closeReason_ = reason;
  closeCode_.store(code, std::memory_order_release);
  open_.store(false, std::memory_order_release);
  outbox_.clear();
  outboxBytes_.store(0, std::memory_order_release);
  return true;
}

void Handle::detach() {
  std::lock_guard<std::mutex> lock(mutex_);
  attached_ = false;
  session_ = NULL;
  open_.store(false, std::memory_order_release);
  handedBytes_.store(0, std::memory_order_release);
}

size_t Handle::takeOutbox(std::vector<Outgoing>* messages) {
  std::lock_guard<std::mutex> lock(mutex_);
  messages->swap(outbox_);
  return outboxBytes();
}

void Handle::noteAwake() {
  std::lock_guard<std::mutex> lock(mutex_);
  wakeQueued_ = false;
}

/// One functor a turn, however many messages: the loop then takes them all and writes once.
void Handle::wakeLocked() {
  if (wakeQueued_) return;
  wakeQueued_ = true;
  const std::weak_ptr<Session> weak = weakSession_;
  loop_->queueInLoop([weak]() {
    if (const std::shared_ptr<Session> session = weak.lock()) session->onWake();
  });
}

}  // namespace detail
}  // namespace wsmuduo
