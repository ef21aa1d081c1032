// Part of the Muduo stand-in: timers, on the monotonic clock.
#include "TimerQueue.h"

#include "contract.h"
#include "muduo/base/Atomic.h"
#include "muduo/net/EventLoop.h"

#include <event2/event.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace muduo
{
namespace net
{
namespace
{

AtomicInt64 g_lastSequence;

// A timer in the past still waits this long, like Muduo's: a callback that keeps re-arming itself leaves room for I/O.
const int64_t kShortestWaitMicros = 100;
const double kLongestDelaySeconds = 100.0 * 365 * 86400;

int64_t monotonicMicros()
{
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int64_t toMicros(double seconds)
{
  const double bounded = std::max(-kLongestDelaySeconds, std::min(seconds, kLongestDelaySeconds));
  return static_cast<int64_t>(bounded * 1e6);
}

// The two clocks are read again when the thread was held up in between: times of the wall clock keep their order.
int64_t toMonotonicMicros(Timestamp when)
{
  int64_t before;
  Timestamp wall;
  int tries = 0;
  do
  {
    before = monotonicMicros();
    wall = Timestamp::now();
  } while (monotonicMicros() - before > 20 && ++tries < 10);
  return before + toMicros(timeDifference(when, wall));
}

}  // namespace

struct TimerQueue::Timer
{
  Timer(int64_t deadlineArg, double intervalArg, TimerCallback callbackArg)
      : deadline(deadlineArg),
        interval(intervalArg),
        sequence(g_lastSequence.incrementAndGet()),
        callback(std::move(callbackArg))
  {
  }

  int64_t deadline;  // monotonic microseconds
  const double interval;
  const int64_t sequence;
  const TimerCallback callback;
};

TimerQueue::TimerQueue(EventLoop* loop, struct event_base* base)
    : loop_(loop), alarm_(evtimer_new(base, &TimerQueue::onAlarm, this)), alarmed_(false), running_(false)
{
  if (!alarm_) LOG_FATAL << "libevent cannot make a timer: out of memory";
}

TimerQueue::~TimerQueue()
{
  ::event_free(alarm_);
}

// --- add and cancel ---

TimerId TimerQueue::addAt(Timestamp when, TimerCallback callback)
{
  return add(TimerPtr(new Timer(toMonotonicMicros(when), 0.0, std::move(callback))));
}

TimerId TimerQueue::addAfter(double delay, double interval, TimerCallback callback)
{
  return add(TimerPtr(new Timer(monotonicMicros() + toMicros(delay), interval, std::move(callback))));
}

TimerId TimerQueue::add(TimerPtr newTimer)
{
  // Functors are copyable, timers are not: the functor hands its timer over.
  const auto timer = std::make_shared<TimerPtr>(std::move(newTimer));
  const TimerId id((*timer)->sequence);
  loop_->runInLoop([this, timer] { addInLoop(std::move(*timer)); });
  return id;
}

void TimerQueue::addInLoop(TimerPtr timer)
{
  const bool next = timers_.empty() || timer->deadline < timers_.begin()->first.first;
  insert(std::move(timer));
  if (next) setAlarm();
}

void TimerQueue::cancel(TimerId id)
{
  loop_->runInLoop([this, id] { cancelInLoop(id); });
}

void TimerQueue::cancelInLoop(TimerId id)
{
  const auto found = deadlines_.find(id.sequence_);
  if (found != deadlines_.end())
  {
    timers_.erase(std::make_pair(found->second, found->first));
    deadlines_.erase(found);
  }
  else if (running_)
  {
    // It may be one of those that run now. As in Muduo it keeps its turn, but will not repeat.
    cancelledWhileRunning_.insert(id.sequence_);
  }
}

void TimerQueue::insert(TimerPtr timer)
{
  deadlines_[timer->sequence] = timer->deadline;
  timers_[std::make_pair(timer->deadline, timer->sequence)] = std::move(timer);
}

// --- run ---

void TimerQueue::setAlarm()
{
  if (timers_.empty()) return;
  const int64_t wait = std::max(timers_.begin()->first.first - monotonicMicros(), kShortestWaitMicros);
  struct timeval tv;
  tv.tv_sec = static_cast<time_t>(wait / 1000000);
  tv.tv_usec = static_cast<suseconds_t>(wait % 1000000);
  if (::event_add(alarm_, &tv) != 0) LOG_FATAL << "libevent cannot add a timer: out of memory";
}

void TimerQueue::onAlarm(int, short, void* queue)
{
  static_cast<TimerQueue*>(queue)->alarmed_ = true;
}

void TimerQueue::runDue()
{
  if (!alarmed_) return;
  alarmed_ = false;

  const int64_t now = monotonicMicros();
  std::vector<TimerPtr> due;
  while (!timers_.empty() && timers_.begin()->first.first <= now)
  {
    due.push_back(std::move(timers_.begin()->second));
    deadlines_.erase(due.back()->sequence);
    timers_.erase(timers_.begin());
  }

  running_ = true;
  for (const TimerPtr& timer : due) timer->callback();
  running_ = false;

  for (TimerPtr& timer : due)
  {
    if (timer->interval <= 0.0 || cancelledWhileRunning_.count(timer->sequence)) continue;
    timer->deadline = now + toMicros(timer->interval);
    insert(std::move(timer));
  }
  cancelledWhileRunning_.clear();
  setAlarm();
}

}  // namespace net
}  // namespace muduo
