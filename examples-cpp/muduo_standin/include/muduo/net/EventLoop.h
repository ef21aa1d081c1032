// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_EVENTLOOP_H
#define MUDUO_STANDIN_NET_EVENTLOOP_H

#include <atomic>
#include <functional>
#include <vector>

#include <boost/any.hpp>

#include "muduo/base/CurrentThread.h"
#include "muduo/base/Mutex.h"
#include "muduo/base/Timestamp.h"
#include "muduo/net/Callbacks.h"
#include "muduo/net/TimerId.h"

namespace muduo
{
namespace net
{

class Channel;
class TimerQueue;

// One reactor, at most one a thread, around one libevent event_base.
//
// A round of loop(): wait for events, run the callbacks of the channels that became ready, run the timers that are due,
// run the functors that were queued before this point.
class EventLoop : noncopyable
{
 public:
  typedef std::function<void()> Functor;

  EventLoop();
  // In the thread that made it. Functors that never ran are destroyed, not run.
  ~EventLoop();

  // Runs until quit(). In the thread that made the loop.
  void loop();
  // From any thread or a signal handler. A quit() before loop() has begun is forgotten, as in Muduo.
  void quit();

  // At once when called in the loop's thread, queued otherwise.
  void runInLoop(Functor cb);
  // After the callbacks of the current round; from inside a functor, in the next round.
  void queueInLoop(Functor cb);
  size_t queueSize() const;

  // Timers, from any thread. Never run inside the call, even when the time is past. An interval of 0 runs once. A timer
  // that is due in the same round as the callback that cancels it may still run.
  TimerId runAt(Timestamp time, TimerCallback cb);
  TimerId runAfter(double delay, TimerCallback cb);
  TimerId runEvery(double interval, TimerCallback cb);
  void cancel(TimerId timerId);

  // When the current round's events arrived.
  Timestamp pollReturnTime() const { return pollReturnTime_; }
  int64_t iteration() const { return iteration_; }
  bool eventHandling() const { return eventHandling_; }

  bool isInLoopThread() const { return threadId_ == CurrentThread::tid(); }
  void assertInLoopThread()
  {
    if (!isInLoopThread()) abortNotInLoopThread();
  }
  static EventLoop* getEventLoopOfCurrentThread();

  void setContext(const boost::any& context) { context_ = context; }
  const boost::any& getContext() const { return context_; }
  boost::any* getMutableContext() { return &context_; }

  // For Channel.
  void wakeup();
  void updateChannel(Channel* channel);
  void removeChannel(Channel* channel);
  bool hasChannel(Channel* channel);

 private:
  struct Backend;  // what needs libevent's headers

  void abortNotInLoopThread();
  void drainWakeup();
  void runActiveChannels();
  void doPendingFunctors();

  bool looping_;
  std::atomic<bool> quit_;
  bool eventHandling_;
  std::atomic<bool> callingPendingFunctors_;
  int64_t iteration_;
  const pid_t threadId_;
  Timestamp pollReturnTime_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<TimerQueue> timerQueue_;
  int wakeupFd_;
  std::unique_ptr<Channel> wakeupChannel_;
  boost::any context_;

  std::vector<Channel*> activeChannels_;
  Channel* currentActiveChannel_;

  mutable MutexLock mutex_;
  std::vector<Functor> pendingFunctors_;
};

}  // namespace net
}  // namespace muduo

#endif
