// Internal: the way from any thread into a loop: messages to its connections, and tasks, in the order in which they were
// left. One queue a loop, not one a connection: so a broadcast and a send keep their order, and many messages cost one
// wake-up of the loop.

#ifndef MUDUO_WS_LOOPQUEUE_H
#define MUDUO_WS_LOOPQUEUE_H

#include "muduo_ws/PreparedMessage.h"

#include <muduo/base/noncopyable.h>

#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace muduo {
namespace net {
class EventLoop;
}
}  // namespace muduo

namespace wsmuduo {
namespace detail {

class Handle;
class LoopEngine;
class Session;

/// What a sender on another thread leaves.
struct Outgoing {
  enum Kind { kText, kBinary, kPrepared, kPing, kClose };

  Outgoing() : kind(kText), closeCode(0) {}
  size_t cost() const;

  Kind kind;
  uint16_t closeCode;
  std::string data;
  PreparedMessage prepared;
};

/// Runs in the loop. It must not call the application: messages behind it would be late.
typedef std::function<void(Session* session)> LoopTask;

class LoopQueue : muduo::noncopyable, public std::enable_shared_from_this<LoopQueue> {
 public:
  struct Item {
    std::shared_ptr<Handle> target;  // may be null for a task
    Outgoing message;
    LoopTask task;  // or else the message
  };

  explicit LoopQueue(muduo::net::EventLoop* loop);

  // ---- any thread ----

  /// Adds to the queue and wakes the loop, if the target is still attached.
  bool post(Item* item) {
    return post(item, []() { return true; });
  }
  /// And if `mayPost()`, which is asked under the lock, says so.
  template <typename MayPost>
  bool post(Item* item, const MayPost& mayPost) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!isReachable(*item) || !mayPost()) return false;
    push(item);
    return true;
  }
  /// Wakes the loop, though there is nothing new to take.
  void wake(const std::shared_ptr<Handle>& target);
  bool hasItems() const { return hasItems_.load(std::memory_order_acquire); }

  // ---- the loop's thread ----

  /// The loop has connections, so it lives; or has none any more, and may go.
  void open(const std::weak_ptr<LoopEngine>& state);
  void close();
  void attach(Handle* handle);
  void detach(Handle* handle);
  void take(std::vector<Item>* items);
  /// The functor that a wake queued has come: the next one needs another, whether or not there was anything to take.
  void noteAwake();

 private:
  // under the lock
  bool isReachable(const Item& item) const;
  void push(Item* item);

  muduo::net::EventLoop* const loop_;
  std::atomic<bool> hasItems_;

  std::mutex mutex_;  // guards what follows, and with it the loop: while isOpen_, the loop lives
  bool isOpen_;
  bool wakeQueued_;
  std::weak_ptr<LoopEngine> state_;
  std::vector<Item> items_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_LOOPQUEUE_H
