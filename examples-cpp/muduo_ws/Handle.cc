#include "muduo_ws/Handle.h"

#include "muduo_ws/Session.h"
#include "muduo_ws/Text.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/TcpConnection.h>

namespace wsmuduo {
namespace detail {

Handle::Handle(const muduo::net::TcpConnectionPtr& tcp, const std::shared_ptr<LoopQueue>& queue, const std::string& target,
               const std::string& requestHead, size_t limit)
    : loop_(tcp->getLoop()),
      loopThread_(std::this_thread::get_id()),
      queue_(queue),
      name_(tcp->name()),
      peerAddress_(tcp->peerAddress()),
      localAddress_(tcp->localAddress()),
      target_(target),
      requestHead_(requestHead),
      limit_(limit),
      session_(NULL),
      subprotocolIsKnown_(false),
      attached_(false),
      open_(false),
      closing_(false),
      refused_(false),
      closeCode_(0),
      outboxBytes_(0),
      handedBytes_(0) {
  splitTarget(target, &path_, &query_);
}

// ---- any thread ----

bool Handle::send(Outgoing::Kind kind, const char* data, size_t len) {
  if (!isOpen() || isClosing() || neverFits(len)) return false;
  if (inLoopThread()) return session_->send(kind, data, len);

  if (kind == Outgoing::kText && !isUtf8(data, len)) return false;
  Outgoing message;
  message.kind = kind;
  if (!hasRoomFor(len + kFrameOverhead)) return refuse();  // before it is copied
  message.data.assign(data, len);
  return postMessage(&message);
}

bool Handle::sendPrepared(const PreparedMessage& prepared) {
  if (!prepared.isValid() || !isOpen() || isClosing() || neverFits(prepared.size())) return false;
  if (inLoopThread()) return session_->sendPrepared(prepared);

  Outgoing message;
  message.kind = Outgoing::kPrepared;
  message.prepared = prepared;
  return postMessage(&message);
}

bool Handle::postMessage(Outgoing* message) {
  const size_t cost = message->cost();
  LoopQueue::Item item;
  item.target = shared_from_this();
  item.message = std::move(*message);
  bool isFull = false;
  const bool isPosted = queue_->post(&item, [&]() {
    if (!isOpen() || isClosing()) return false;
    isFull = !hasRoomFor(cost);
    if (!isFull) outboxBytes_.fetch_add(cost, std::memory_order_acq_rel);
    return !isFull;
  });
  return isFull ? refuse() : isPosted;
}

bool Handle::refuse() {
  noteRefusal();
  queue_->wake(shared_from_this());  // the figures may be old: the loop renews them
  return false;
}

bool Handle::hasRoomFor(size_t cost) const {
  return handedBytes_.load(std::memory_order_acquire) + outboxBytes() + cost <= limit_;
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
  LoopQueue::Item item;
  item.target = shared_from_this();
  item.message.kind = Outgoing::kClose;
  item.message.closeCode = code;
  item.message.data = fittingReason;
  const size_t cost = item.message.cost();
  queue_->post(&item, [&]() {
    if (!isOpen() || !beginClosing()) return false;
    outboxBytes_.fetch_add(cost, std::memory_order_acq_rel);
    return true;
  });
}

void Handle::forceClose() {
  closing_.store(true);
  post([](Session* session) {
    if (session != NULL) session->forceClose();
  });
}

void Handle::setReading(bool isReading) {
  post([isReading](Session* session) {
    if (session != NULL) session->setReading(isReading);
  });
}

size_t Handle::bufferedAmount() {
  if (inLoopThread()) return session_ == NULL ? 0 : session_->bufferedAmount();
  return handedBytes_.load(std::memory_order_acquire) + outboxBytes();
}

const std::string& Handle::subprotocol() const {
  static const std::string kNone;
  return subprotocolIsKnown_.load(std::memory_order_acquire) ? subprotocol_ : kNone;
}

std::string Handle::closeReason() {
  std::lock_guard<std::mutex> lock(mutex_);
  return closeReason_;
}

bool Handle::post(const LoopTask& task) {
  if (inLoopThread()) {
    if (session_ == NULL) return false;
    session_->takeQueue();
    task(session_);
    return true;
  }
  LoopQueue::Item item;
  item.target = shared_from_this();
  item.task = task;
  return queue_->post(&item);
}

// ---- the loop's thread ----

void Handle::attach(Session* session) {
  session_ = session;
  queue_->attach(this);
}

void Handle::opened(const std::string& subprotocol) {
  subprotocol_ = subprotocol;
  subprotocolIsKnown_.store(true, std::memory_order_release);
  open_.store(true, std::memory_order_release);
}

bool Handle::closed(uint16_t code, const std::string& reason) {
  if (!isOpen()) return false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closeReason_ = reason;
  }
  closeCode_.store(code, std::memory_order_release);
  open_.store(false, std::memory_order_release);
  return true;
}

void Handle::detach() {
  queue_->detach(this);
  session_ = NULL;
  open_.store(false, std::memory_order_release);
  handedBytes_.store(0, std::memory_order_release);
  outboxBytes_.store(0, std::memory_order_release);
}

}  // namespace detail
}  // namespace wsmuduo
