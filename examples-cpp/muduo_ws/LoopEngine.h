// Internal: what the WebSockets of one event loop share: the engine, its one timer, the queue from other threads, and the
// list of those that have something to write. Made and used in the loop's thread only, so nothing is locked.

#ifndef MUDUO_WS_LOOPENGINE_H
#define MUDUO_WS_LOOPENGINE_H

#include "muduo_ws/LoopMetrics.h"
#include "muduo_ws/LoopQueue.h"
#include "muduo_ws/LoopStreams.h"
#include "muduo_ws/ServerCore.h"

#include <muduo/net/Buffer.h>
#include <muduo/net/TimerId.h>

#include <memory>
#include <string>
#include <vector>

namespace wsmuduo {
namespace detail {

class Session;

/// What is to be looked at now and then, for deadlines that the engine cannot see.
class Watched {
 public:
  virtual ~Watched() {}
  /// False: no longer.
  virtual bool look(uint64_t nowMs) = 0;

 private:
  friend class LoopEngine;
  bool isWatched_ = false;
};

class LoopEngine : muduo::noncopyable, public std::enable_shared_from_this<LoopEngine> {
 public:
  LoopEngine(const std::shared_ptr<ServerCore>& core, muduo::net::EventLoop* loop);
  ~LoopEngine();

  ws_engine* engine() const { return engine_; }
  muduo::net::EventLoop* loop() const { return loop_; }
  const std::shared_ptr<LoopQueue>& queue() const { return queue_; }
  const std::shared_ptr<LoopStreams>& streams() const { return streams_; }
  /// Small pieces of output are joined here for one write.
  std::string& scratch() { return scratch_; }

  /// Milliseconds of a clock that does not go back.
  static uint64_t now();
  /// Tells the engine the time; to be called before anything happens on a connection.
  uint64_t updateTime();

  /// Something will be queued: there will be an endTurn(), when the loop has done all that it is at.
  void beginTurn();
  /// The session has output or events, for endTurn(). Behind beginTurn().
  void markDirty(const std::shared_ptr<Session>& session) { dirty_.push_back(session); }
  /// Queues what other threads have left, without calling the application.
  void takeQueue();
  /// Takes what other threads have left, then lets each dirty session write once, then sets the timer.
  void endTurn();
  void watch(const std::shared_ptr<Watched>& watched);
  /// Whoever has done something on a connection calls it last; endTurn() does.
  void setTimer();

  // ---- any thread ----

  /// What the engine had counted a moment ago.
  std::shared_ptr<const ws_metrics> metrics() const { return metrics_.latest(); }

  // ---- input ----

  /// Where input lies while events point into it: the bytes are swapped in, so they stay where they are whatever becomes of the
  /// host's buffer in a callback. One that is made inside another, by a host that reads in its callback, has its own.
  class Input : muduo::noncopyable {
   public:
    Input(LoopEngine* owner, muduo::net::Buffer* buf);
    ~Input();
    char* data() { return const_cast<char*>(buffer_->peek()); }  // Muduo's buffer is memory of its own, and not const
    size_t size() const { return buffer_->readableBytes(); }

   private:
    LoopEngine* const owner_;
    std::unique_ptr<muduo::net::Buffer> own_;
    muduo::net::Buffer* const buffer_;
  };

 private:
  void onTimer();
  void handleDue();
  void lookAtWatched(uint64_t nowMs);

  const std::shared_ptr<ServerCore> core_;
  muduo::net::EventLoop* const loop_;
  ws_engine* const engine_;
  const std::shared_ptr<LoopQueue> queue_;
  const std::shared_ptr<LoopStreams> streams_;
  LoopMetrics metrics_;
  uint64_t now_;  // what the engine was told last

  std::string scratch_;
  muduo::net::Buffer input_;
  bool inputIsLent_;

  bool turnIsQueued_;
  std::vector<std::shared_ptr<Session>> dirty_;
  std::vector<LoopQueue::Item> taken_;  // keeps its memory

  bool timerIsSet_;
  uint64_t timerAt_;
  muduo::net::TimerId timer_;
  std::vector<std::weak_ptr<Watched>> watched_;
  uint64_t nextLook_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_LOOPENGINE_H
