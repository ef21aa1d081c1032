// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_CURRENTTHREAD_H
#define MUDUO_STANDIN_BASE_CURRENTTHREAD_H

#include "muduo/base/Types.h"

namespace muduo
{
namespace CurrentThread
{

extern __thread int t_cachedTid;
extern __thread char t_tidString[32];
extern __thread int t_tidStringLength;
extern __thread const char* t_threadName;

void cacheTid();

// The kernel's id of this thread, cached.
inline int tid()
{
  if (t_cachedTid == 0) cacheTid();
  return t_cachedTid;
}

// For log lines; valid once tid() was called in this thread.
inline const char* tidString() { return t_tidString; }
inline int tidStringLength() { return t_tidStringLength; }

inline const char* name() { return t_threadName; }

bool isMainThread();

void sleepUsec(int64_t usec);

}  // namespace CurrentThread
}  // namespace muduo

#endif
