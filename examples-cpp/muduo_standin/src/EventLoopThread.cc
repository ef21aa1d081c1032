// Part of the Muduo stand-in: loops in threads.
#include "muduo/net/EventLoopThread.h"

#include "contract.h"
#include "muduo/net/EventLoop.h"
#include "muduo/net/EventLoopThreadPool.h"

namespace muduo
{
namespace net
{

// --- EventLoopThread ---

EventLoopThread::EventLoopThread(const ThreadInitCallback& cb, const string& name)
    : loop_(nullptr), thread_(std::bind(&EventLoopThread::threadFunc, this), name), cond_(mutex_), callback_(cb)
{
}

EventLoopThread::~EventLoopThread()
{
  if (!thread_.started()) return;
  {
    // Queued, because a quit() that arrives before loop() has begun would be forgotten.
    MutexLockGuard lock(mutex_);
    if (loop_) loop_->queueInLoop(std::bind(&EventLoop::quit, loop_));
  }
  thread_.join();
}

EventLoop* EventLoopThread::startLoop()
{
  contract(!thread_.started(), "EventLoopThread::startLoop() is called once");
  thread_.start();
  MutexLockGuard lock(mutex_);
  while (loop_ == nullptr) cond_.wait();
  return loop_;
}

void EventLoopThread::threadFunc()
{
  EventLoop loop;
  if (callback_) callback_(&loop);
  {
    MutexLockGuard lock(mutex_);
    loop_ = &loop;
    cond_.notify();
  }
  loop.loop();
  MutexLockGuard lock(mutex_);
  loop_ = nullptr;
}

// --- EventLoopThreadPool ---

EventLoopThreadPool::EventLoopThreadPool(EventLoop* baseLoop, const string& nameArg)
    : baseLoop_(baseLoop), name_(nameArg), started_(false), numThreads_(0), next_(0)
{
}

EventLoopThreadPool::~EventLoopThreadPool() {}

void EventLoopThreadPool::start(const ThreadInitCallback& cb)
{
  baseLoop_->assertInLoopThread();
  contract(!started_, "EventLoopThreadPool::start() is called once");
  started_ = true;
  for (int i = 0; i < numThreads_; ++i)
  {
    threads_.emplace_back(new EventLoopThread(cb, name_ + std::to_string(i)));
    loops_.push_back(threads_.back()->startLoop());
  }
  if (numThreads_ == 0 && cb) cb(baseLoop_);
}

EventLoop* EventLoopThreadPool::getNextLoop()
{
  baseLoop_->assertInLoopThread();
  contract(started_, "EventLoopThreadPool::start() comes first");
  if (loops_.empty()) return baseLoop_;
  EventLoop* loop = loops_[next_];
  next_ = (next_ + 1) % loops_.size();
  return loop;
}

EventLoop* EventLoopThreadPool::getLoopForHash(size_t hashCode)
{
  baseLoop_->assertInLoopThread();
  return loops_.empty() ? baseLoop_ : loops_[hashCode % loops_.size()];
}

std::vector<EventLoop*> EventLoopThreadPool::getAllLoops()
{
  baseLoop_->assertInLoopThread();
  contract(started_, "EventLoopThreadPool::start() comes first");
  return loops_.empty() ? std::vector<EventLoop*>(1, baseLoop_) : loops_;
}

}  // namespace net
}  // namespace muduo
