// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_EVENTLOOPTHREAD_H
#define MUDUO_STANDIN_NET_EVENTLOOPTHREAD_H

#include "muduo/base/Condition.h"
#include "muduo/base/Mutex.h"
#include "muduo/base/Thread.h"

namespace muduo
{
namespace net
{

class EventLoop;

// A thread with a loop in it. The destructor ends the loop and joins the thread.
class EventLoopThread : noncopyable
{
 public:
  typedef std::function<void(EventLoop*)> ThreadInitCallback;

  EventLoopThread(const ThreadInitCallback& cb = ThreadInitCallback(), const string& name = string());
  ~EventLoopThread();

  // Once. Returns the running thread's loop.
  EventLoop* startLoop();

 private:
  void threadFunc();

  EventLoop* loop_;
  Thread thread_;
  MutexLock mutex_;
  Condition cond_;
  ThreadInitCallback callback_;
};

}  // namespace net
}  // namespace muduo

#endif
