// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_CONDITION_H
#define MUDUO_STANDIN_BASE_CONDITION_H

#include "muduo/base/Mutex.h"

#include <pthread.h>

namespace muduo
{

// Wait in a loop, with the mutex locked.
class Condition : noncopyable
{
 public:
  explicit Condition(MutexLock& mutex) : mutex_(mutex) { ::pthread_cond_init(&pcond_, nullptr); }
  ~Condition() { ::pthread_cond_destroy(&pcond_); }

  void wait();
  // True when the time ran out.
  bool waitForSeconds(double seconds);
  void notify() { ::pthread_cond_signal(&pcond_); }
  void notifyAll() { ::pthread_cond_broadcast(&pcond_); }

 private:
  MutexLock& mutex_;
  pthread_cond_t pcond_;
};

}  // namespace muduo

#endif
