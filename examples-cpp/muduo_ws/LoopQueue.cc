#include "muduo_ws/LoopQueue.h"

#include "muduo_ws/Handle.h"
#include "muduo_ws/LoopEngine.h"
#include "muduo_ws/Session.h"

#include <muduo/net/EventLoop.h>

namespace wsmuduo {
namespace detail {

size_t Outgoing::cost() const {
  return (kind == kPrepared ? prepared.size() : data.size()) + kFrameOverhead;
}

/// Made in the loop's thread.
LoopQueue::LoopQueue(muduo::net::EventLoop* loop)
    : loop_(loop), thread_(std::this_thread::get_id()), hasItems_(false), isOpen_(false), wakeQueued_(false) {}

void LoopQueue::wake(const std::shared_ptr<Handle>& target) {
  Item item;
  item.target = target;
  item.task = [](Session* session) {
    if (session != NULL) session->markDirty();
  };
  post(&item);
}

bool LoopQueue::runInOrder(const LoopTask& task) {
  if (std::this_thread::get_id() == thread_) {
    const std::shared_ptr<LoopEngine> engine = engine_.lock();  // written by this thread only
    if (!engine) return false;
    engine->takeQueue();
    task(NULL);
    return true;
  }
  Item item;
  item.task = task;
  return post(&item);
}

void LoopQueue::open(const std::weak_ptr<LoopEngine>& engine) {
  std::lock_guard<std::mutex> lock(mutex_);
  engine_ = engine;
  isOpen_ = true;
}

void LoopQueue::close() {
  std::vector<Item> dropped;  // destroyed without the lock: a task may hold anything
  std::lock_guard<std::mutex> lock(mutex_);
  isOpen_ = false;
  dropped.swap(items_);
  hasItems_.store(false, std::memory_order_release);
}

void LoopQueue::attach(Handle* handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  handle->attached_ = true;
}

void LoopQueue::detach(Handle* handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  handle->attached_ = false;
}

void LoopQueue::take(std::vector<Item>* items) {
  std::lock_guard<std::mutex> lock(mutex_);
  items->swap(items_);
  hasItems_.store(false, std::memory_order_release);
}

void LoopQueue::noteAwake() {
  std::lock_guard<std::mutex> lock(mutex_);
  wakeQueued_ = false;
}

bool LoopQueue::isReachable(const Item& item) const { return isOpen_ && (!item.target || item.target->attached_); }

/// One functor a turn, however many items: the loop then takes them all and writes once.
void LoopQueue::push(Item* item) {
  items_.push_back(std::move(*item));
  hasItems_.store(true, std::memory_order_release);
  if (wakeQueued_) return;
  wakeQueued_ = true;
  const std::weak_ptr<LoopEngine> weak = engine_;
  const std::shared_ptr<LoopQueue> self = shared_from_this();
  loop_->queueInLoop([weak, self]() {
    self->noteAwake();
    if (const std::shared_ptr<LoopEngine> engine = weak.lock()) engine->endTurn();
  });
}

}  // namespace detail
}  // namespace wsmuduo
