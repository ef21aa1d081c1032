// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_MUTEX_H
#define MUDUO_STANDIN_BASE_MUTEX_H

#include "muduo/base/CurrentThread.h"
#include "muduo/base/noncopyable.h"

#include <assert.h>
#include <pthread.h>
#include <sys/types.h>

// Clang's thread-safety annotations under Muduo's names. User code may write them on its members; here they are
// documentation only, because the stand-in's own classes are not annotated.
#ifndef GUARDED_BY
#define GUARDED_BY(x)
#define PT_GUARDED_BY(x)
#define ACQUIRED_BEFORE(...)
#define ACQUIRED_AFTER(...)
#define REQUIRES(...)
#define REQUIRES_SHARED(...)
#define ACQUIRE(...)
#define RELEASE(...)
#define TRY_ACQUIRE(...)
#define EXCLUDES(...)
#define RETURN_CAPABILITY(x)
#define NO_THREAD_SAFETY_ANALYSIS
#endif

namespace muduo
{

// Not recursive. Lock it through MutexLockGuard.
class MutexLock : noncopyable
{
 public:
  MutexLock() : holder_(0) { ::pthread_mutex_init(&mutex_, nullptr); }

  ~MutexLock()
  {
    assert(holder_ == 0);
    ::pthread_mutex_destroy(&mutex_);
  }

  // Meaningful only while the calling thread may hold the lock: for assertions.
  bool isLockedByThisThread() const { return holder_ == CurrentThread::tid(); }
  void assertLocked() const { assert(isLockedByThisThread()); }

  void lock()
  {
    ::pthread_mutex_lock(&mutex_);
    holder_ = CurrentThread::tid();
  }

  void unlock()
  {
    holder_ = 0;
    ::pthread_mutex_unlock(&mutex_);
  }

  pthread_mutex_t* getPthreadMutex() { return &mutex_; }

 private:
  friend class Condition;

  pthread_mutex_t mutex_;
  pid_t holder_;
};

class MutexLockGuard : noncopyable
{
 public:
  explicit MutexLockGuard(MutexLock& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLockGuard() { mutex_.unlock(); }

 private:
  MutexLock& mutex_;
};

}  // namespace muduo

// A guard without a name would unlock at the end of its own statement: refuse to compile it.
#define MutexLockGuard(x) error "Missing guard object name"

#endif
