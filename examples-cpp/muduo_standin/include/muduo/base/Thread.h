// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_THREAD_H
#define MUDUO_STANDIN_BASE_THREAD_H

#include "muduo/base/Atomic.h"
#include "muduo/base/CountDownLatch.h"
#include "muduo/base/Types.h"

#include <pthread.h>

#include <functional>
#include <memory>

namespace muduo
{

// A named thread. One that was started and not joined is detached by the destructor.
class Thread : noncopyable
{
 public:
  typedef std::function<void()> ThreadFunc;

  explicit Thread(ThreadFunc func, const string& name = string());
  ~Thread();

  // Returns when the thread runs and tid() is known.
  void start();
  // The result of pthread_join.
  int join();

  bool started() const { return started_; }
  pid_t tid() const { return tid_; }
  const string& name() const { return name_; }

  static int numCreated() { return numCreated_.get(); }

 private:
  bool started_;
  bool joined_;
  pthread_t pthreadId_;
  pid_t tid_;
  ThreadFunc func_;
  string name_;
  CountDownLatch latch_;

  static AtomicInt32 numCreated_;
};

}  // namespace muduo

#endif
