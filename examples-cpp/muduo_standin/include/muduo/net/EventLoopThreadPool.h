// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_EVENTLOOPTHREADPOOL_H
#define MUDUO_STANDIN_NET_EVENTLOOPTHREADPOOL_H

#include "muduo/base/Types.h"
#include "muduo/base/noncopyable.h"

#include <functional>
#include <memory>
#include <vector>

namespace muduo
{
namespace net
{

class EventLoop;
class EventLoopThread;

// The I/O loops of a server; with no threads of its own it hands out the base loop. Used in the base loop's thread.
class EventLoopThreadPool : noncopyable
{
 public:
  typedef std::function<void(EventLoop*)> ThreadInitCallback;

  EventLoopThreadPool(EventLoop* baseLoop, const string& nameArg);
  ~EventLoopThreadPool();

  void setThreadNum(int numThreads) { numThreads_ = numThreads; }
  // The callback runs in each thread before its loop does, or at once for the base loop when there are no threads.
  void start(const ThreadInitCallback& cb = ThreadInitCallback());

  // After start(): in turn; always the same one for the same hash; all of them.
  EventLoop* getNextLoop();
  EventLoop* getLoopForHash(size_t hashCode);
  std::vector<EventLoop*> getAllLoops();

  bool started() const { return started_; }
  const string& name() const { return name_; }

 private:
  EventLoop* baseLoop_;
  string name_;
  bool started_;
  int numThreads_;
  size_t next_;
  std::vector<std::unique_ptr<EventLoopThread>> threads_;
  std::vector<EventLoop*> loops_;
};

}  // namespace net
}  // namespace muduo

#endif
