// Part of the Muduo stand-in. Internal: the timers of one loop, each one a libevent timer on the monotonic clock.
#ifndef MUDUO_STANDIN_TIMERQUEUE_H
#define MUDUO_STANDIN_TIMERQUEUE_H

#include "muduo/base/noncopyable.h"
#include "muduo/net/Callbacks.h"
#include "muduo/net/TimerId.h"

#include <map>
#include <memory>
#include <set>
#include <vector>

struct event_base;

namespace muduo
{
namespace net
{

class EventLoop;

class TimerQueue : noncopyable
{
 public:
  TimerQueue(EventLoop* loop, struct event_base* base);
  ~TimerQueue();

  // From any thread. Seconds; an interval of 0 or less does not repeat.
  TimerId addAt(Timestamp when, TimerCallback callback);
  TimerId addAfter(double delay, double interval, TimerCallback callback);
  void cancel(TimerId id);

  // In the loop: runs the timers that libevent has found due since the last call.
  void runDue();

 private:
  struct Timer;
  typedef std::unique_ptr<Timer> TimerPtr;

  TimerId add(TimerPtr newTimer);
  void arm(TimerPtr timer);
  void cancelInLoop(TimerId id);
  static void onDue(int fd, short what, void* timer);

  EventLoop* loop_;
  struct event_base* base_;
  std::map<int64_t, TimerPtr> armed_;
  std::vector<int64_t> due_;
  bool runningDue_;
  std::set<int64_t> cancelledWhileRunning_;
};

}  // namespace net
}  // namespace muduo

#endif
