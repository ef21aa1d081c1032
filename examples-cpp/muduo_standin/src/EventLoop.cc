// Part of the Muduo stand-in: the reactor.
//
// libevent's callbacks only note what happened; the user's callbacks run after event_base_loop() has returned. That
// gives Muduo's order of events, and no exception passes through libevent's C frames.
#include "muduo/net/EventLoop.h"

#include "TimerQueue.h"
#include "contract.h"
#include "muduo/net/Channel.h"

#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace muduo
{
namespace net
{
namespace
{

__thread EventLoop* t_loopOfThisThread = nullptr;

// Before main(), like Muduo: a write to a closed connection has to be an error, not the end of the process.
struct IgnoreSigPipe
{
  IgnoreSigPipe() { ::signal(SIGPIPE, SIG_IGN); }
} g_ignoreSigPipe;

}  // namespace

// --- libevent ---

struct EventLoop::Backend
{
  Backend() : base(nullptr), tick(nullptr)
  {
    // One thread per base needs no locks; timers are exact to the microsecond instead of the kernel's coarse tick.
    struct event_config* config = ::event_config_new();
    ::event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
    base = ::event_base_new_with_config(config);
    ::event_config_free(config);
    if (!base) LOG_SYSFATAL << "libevent cannot make an event base: too many open files or too little memory";

    // Muduo's loop turns at least every ten seconds. Functors that were queued before loop() began wait for that.
    const struct timeval tenSeconds = {10, 0};
    tick = ::event_new(base, -1, EV_PERSIST, &Backend::onTick, nullptr);
    if (!tick || ::event_add(tick, &tenSeconds) != 0) LOG_FATAL << "libevent cannot add a timer: out of memory";
  }

  ~Backend()
  {
    for (const auto& one : channels) release(one.second);
    ::event_free(tick);
    ::event_base_free(base);
  }

  void listen(Channel* channel)
  {
    short what = EV_PERSIST;
    if (channel->isReading()) what |= EV_READ;
    if (channel->isWriting()) what |= EV_WRITE;
    if (channel->event_)
    {
      ::event_del(channel->event_);
      ::event_assign(channel->event_, base, channel->fd(), what, &Backend::onReady, channel);
    }
    else
    {
      channel->event_ = ::event_new(base, channel->fd(), what, &Backend::onReady, channel);
    }
    if (channel->isNoneEvent()) return;
    if (!channel->event_ || ::event_add(channel->event_, nullptr) != 0)
    {
      LOG_SYSFATAL << "libevent cannot watch fd " << channel->fd();
    }
  }

  static void release(Channel* channel)
  {
    ::event_free(channel->event_);
    channel->event_ = nullptr;
  }

  static void onTick(evutil_socket_t, short, void*) {}

  static void onReady(evutil_socket_t fd, short what, void* arg)
  {
    Channel* channel = static_cast<Channel*>(arg);
    // libevent folds hang-ups and errors into "readable" and "writable"; Channel wants them apart.
    struct pollfd now = {fd, static_cast<short>(channel->events()), 0};
    if (::poll(&now, 1, 0) < 0)
    {
      now.revents = static_cast<short>(((what & EV_READ) ? POLLIN : 0) | ((what & EV_WRITE) ? POLLOUT : 0));
    }
    if (now.revents == 0) return;  // another process was faster, as on a shared listening socket
    channel->set_revents(now.revents);
    channel->ownerLoop()->activeChannels_.push_back(channel);
  }

  struct event_base* base;
  struct event* tick;
  std::map<int, Channel*> channels;  // by descriptor: everything between the first enable...() and remove()
};

// --- the loop ---

EventLoop::EventLoop()
    : looping_(false),
      quit_(false),
      eventHandling_(false),
      callingPendingFunctors_(false),
      iteration_(0),
      threadId_(CurrentThread::tid()),
      backend_(new Backend),
      timerQueue_(new TimerQueue(this, backend_->base)),
      wakeupFd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      currentActiveChannel_(nullptr)
{
  if (wakeupFd_ < 0) LOG_SYSFATAL << "cannot make an eventfd for an EventLoop";
  contract(t_loopOfThisThread == nullptr, "a thread has at most one EventLoop");
  t_loopOfThisThread = this;
  wakeupChannel_.reset(new Channel(this, wakeupFd_));
  wakeupChannel_->setReadCallback(std::bind(&EventLoop::drainWakeup, this));
  wakeupChannel_->enableReading();
}

EventLoop::~EventLoop()
{
  assertInLoopThread();
  // Functors may own connections and timers: they go while the loop still works.
  std::vector<Functor> dropped;
  {
    MutexLockGuard lock(mutex_);
    dropped.swap(pendingFunctors_);
  }
  dropped.clear();
  wakeupChannel_->disableAll();
  wakeupChannel_->remove();
  ::close(wakeupFd_);
  timerQueue_.reset();
  t_loopOfThisThread = nullptr;
}

EventLoop* EventLoop::getEventLoopOfCurrentThread()
{
  return t_loopOfThisThread;
}

void EventLoop::loop()
{
  assertInLoopThread();
  contract(!looping_, "EventLoop::loop() does not nest");
  looping_ = true;
  quit_ = false;
  while (!quit_)
  {
    activeChannels_.clear();
    if (::event_base_loop(backend_->base, EVLOOP_ONCE) < 0) LOG_SYSERR << "libevent cannot wait for events";
    pollReturnTime_ = Timestamp::now();
    ++iteration_;
    eventHandling_ = true;
    runActiveChannels();
    timerQueue_->runDue();
    eventHandling_ = false;
    doPendingFunctors();
  }
  looping_ = false;
}

void EventLoop::runActiveChannels()
{
  for (Channel* channel : activeChannels_)
  {
    currentActiveChannel_ = channel;
    channel->handleEvent(pollReturnTime_);
  }
  currentActiveChannel_ = nullptr;
}

// Also wakes its own thread: a signal handler may have interrupted the wait, and libevent would go on waiting.
void EventLoop::quit()
{
  quit_ = true;
  wakeup();
}

void EventLoop::wakeup()
{
  const uint64_t one = 1;
  // Only fails when the counter is full, and then the loop is awake.
  const ssize_t n = ::write(wakeupFd_, &one, sizeof one);
  (void)n;
}

void EventLoop::drainWakeup()
{
  uint64_t count;
  const ssize_t n = ::read(wakeupFd_, &count, sizeof count);
  (void)n;
}

void EventLoop::abortNotInLoopThread()
{
  LOG_FATAL << "Muduo's contract is broken: this call belongs in the loop's thread " << threadId_
            << ", not in thread " << CurrentThread::tid() << "; use EventLoop::runInLoop";
}

// --- functors ---

void EventLoop::runInLoop(Functor cb)
{
  if (isInLoopThread())
  {
    cb();
  }
  else
  {
    queueInLoop(std::move(cb));
  }
}

void EventLoop::queueInLoop(Functor cb)
{
  {
    MutexLockGuard lock(mutex_);
    pendingFunctors_.push_back(std::move(cb));
  }
  // A callback of this round needs no wake-up: doPendingFunctors() is still to come.
  if (!isInLoopThread() || callingPendingFunctors_) wakeup();
}

size_t EventLoop::queueSize() const
{
  MutexLockGuard lock(mutex_);
  return pendingFunctors_.size();
}

void EventLoop::doPendingFunctors()
{
  std::vector<Functor> functors;
  callingPendingFunctors_ = true;
  {
    MutexLockGuard lock(mutex_);
    functors.swap(pendingFunctors_);
  }
  for (const Functor& functor : functors) functor();
  callingPendingFunctors_ = false;
}

// --- timers ---

TimerId EventLoop::runAt(Timestamp time, TimerCallback cb)
{
  return timerQueue_->addAt(time, std::move(cb));
}

TimerId EventLoop::runAfter(double delay, TimerCallback cb)
{
  return timerQueue_->addAfter(delay, 0.0, std::move(cb));
}

TimerId EventLoop::runEvery(double interval, TimerCallback cb)
{
  return timerQueue_->addAfter(interval, interval, std::move(cb));
}

void EventLoop::cancel(TimerId timerId)
{
  timerQueue_->cancel(timerId);
}

// --- channels ---

void EventLoop::updateChannel(Channel* channel)
{
  assertInLoopThread();
  contract(channel->ownerLoop() == this, "a Channel is used with the loop it was made for");
  Channel*& registered = backend_->channels[channel->fd()];
  contract(registered == nullptr || registered == channel,
           "a descriptor has one Channel a loop; remove() the old one before the descriptor is closed and used again");
  registered = channel;
  backend_->listen(channel);
}

void EventLoop::removeChannel(Channel* channel)
{
  assertInLoopThread();
  contract(hasChannel(channel), "Channel::remove() is called once, after the first enableReading() or enableWriting()");
  if (eventHandling_ && channel != currentActiveChannel_)
  {
    contract(std::find(activeChannels_.begin(), activeChannels_.end(), channel) == activeChannels_.end(),
             "a callback may not remove another channel that is ready in the same round; disableAll() it and remove() "
             "it through EventLoop::queueInLoop");
  }
  backend_->channels.erase(channel->fd());
  Backend::release(channel);
}

bool EventLoop::hasChannel(Channel* channel)
{
  assertInLoopThread();
  const auto found = backend_->channels.find(channel->fd());
  return found != backend_->channels.end() && found->second == channel;
}

}  // namespace net
}  // namespace muduo
