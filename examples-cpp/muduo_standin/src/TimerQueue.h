// Part of the Muduo stand-in. Internal: the timers of one loop, in order, behind one libevent timer for the next of them.
#ifndef MUDUO_STANDIN_TIMERQUEUE_H
#define MUDUO_STANDIN_TIMERQUEUE_H

#include "muduo/base/noncopyable.h"
#include "muduo/net/Callbacks.h"
#include "muduo/net/TimerId.h"

#include <map>
#include <memory>
#include <set>
#include <utility>

struct event;
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

  // In the loop: runs the timers that are due, if libevent's timer has gone off since the last call.
  void runDue();

 private:
  struct Timer;
  typedef std::unique_ptr<Timer> TimerPtr;

  TimerId add(TimerPtr newTimer);
  void addInLoop(TimerPtr timer);
  void cancelInLoop(TimerId id);
  void insert(TimerPtr timer);
  void setAlarm();
  static void onAlarm(int fd, short what, void* queue);

  EventLoop* loop_;
  struct event* alarm_;
  bool alarmed_;
  std::map<std::pair<int64_t, int64_t>, TimerPtr> timers_;  // by deadline, then sequence
  std::map<int64_t, int64_t> deadlines_;                    // of each sequence in timers_
  bool running_;
  std::set<int64_t> cancelledWhileRunning_;
};

}  // namespace net
}  // namespace muduo

#endif
