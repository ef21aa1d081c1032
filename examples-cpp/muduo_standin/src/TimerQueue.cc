// Part of the Muduo stand-in: timers.
#include "TimerQueue.h"

#include "contract.h"
#include "muduo/base/Atomic.h"
#include "muduo/net/EventLoop.h"

#include <event2/event.h>

#include <algorithm>
#include <chrono>

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
  const double bounded = std::max(0.0, std::min(seconds, kLongestDelaySeconds));
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
  Timer(TimerQueue* queueArg, TimerCallback callbackArg, int64_t deadlineArg, double intervalArg)
      : queue(queueArg),
        callback(std::move(callbackArg)),
        deadline(deadlineArg),
        interval(intervalArg),
        sequence(g_lastSequence.incrementAndGet()),
        event(nullptr)
  {
  }

  ~Timer()
  {
    if (event) ::event_free(event);
  }

  bool repeats() const { return interval > 0.0; }

  TimerQueue* queue;
  const TimerCallback callback;
  int64_t deadline;  // monotonic microseconds
  const double interval;
  const int64_t sequence;
  struct event* event;  // made in the loop's thread, when the timer is first armed
};

TimerQueue::TimerQueue(EventLoop* loop, struct event_base* base) : loop_(loop), base_(base), runningDue_(false) {}

TimerQueue::~TimerQueue() {}

TimerId TimerQueue::addAt(Timestamp when, TimerCallback callback)
{
  return add(TimerPtr(new Timer(this, std::move(callback), toMonotonicMicros(when), 0.0)));
}

TimerId TimerQueue::addAfter(double delay, double interval, TimerCallback callback)
{
  return add(TimerPtr(new Timer(this, std::move(callback), monotonicMicros() + toMicros(delay), interval)));
}

TimerId TimerQueue::add(TimerPtr newTimer)
{
  // Functors are copyable, timers are not: the functor hands its timer over.
  const auto timer = std::make_shared<TimerPtr>(std::move(newTimer));
  const TimerId id((*timer)->sequence);
  loop_->runInLoop([this, timer] { arm(std::move(*timer)); });
  return id;
}

void TimerQueue::cancel(TimerId id)
{
  loop_->runInLoop([this, id] { cancelInLoop(id); });
}

void TimerQueue::arm(TimerPtr timer)
{
  if (!timer->event) timer->event = evtimer_new(base_, &TimerQueue::onDue, timer.get());
  const int64_t wait = std::max(timer->deadline - monotonicMicros(), kShortestWaitMicros);
  struct timeval tv;
  tv.tv_sec = static_cast<time_t>(wait / 1000000);
  tv.tv_usec = static_cast<suseconds_t>(wait % 1000000);
  if (!timer->event || ::event_add(timer->event, &tv) != 0) LOG_FATAL << "libevent cannot add a timer: out of memory";
  armed_[timer->sequence] = std::move(timer);
}

void TimerQueue::onDue(int, short, void* arg)
{
  const Timer* timer = static_cast<const Timer*>(arg);
  timer->queue->due_.push_back(timer->sequence);
}

void TimerQueue::cancelInLoop(TimerId id)
{
  // A timer of the batch that is running has left armed_. As in Muduo it keeps its turn, but will not repeat.
  if (armed_.erase(id.sequence_) == 0 && runningDue_) cancelledWhileRunning_.insert(id.sequence_);
}

void TimerQueue::runDue()
{
  if (due_.empty()) return;

  std::vector<TimerPtr> batch;
  for (int64_t sequence : due_)
  {
    const auto found = armed_.find(sequence);
    if (found == armed_.end()) continue;  // cancelled since libevent found it due
    batch.push_back(std::move(found->second));
    armed_.erase(found);
  }
  due_.clear();

  const int64_t now = monotonicMicros();
  runningDue_ = true;
  for (const TimerPtr& timer : batch) timer->callback();
  runningDue_ = false;

  for (TimerPtr& timer : batch)
  {
    if (!timer->repeats() || cancelledWhileRunning_.count(timer->sequence)) continue;
    timer->deadline = now + toMicros(timer->interval);
    arm(std::move(timer));
  }
  cancelledWhileRunning_.clear();
}

}  // namespace net
}  // namespace muduo
