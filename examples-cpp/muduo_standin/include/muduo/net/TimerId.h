// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_TIMERID_H
#define MUDUO_STANDIN_NET_TIMERID_H

#include "muduo/base/copyable.h"

#include <stdint.h>

namespace muduo
{
namespace net
{

// What EventLoop::runAt, runAfter and runEvery return, good for EventLoop::cancel and nothing else. It may outlive its
// timer; cancelling a timer that has run, or a TimerId of no timer, does nothing.
class TimerId : public muduo::copyable
{
 public:
  TimerId() : sequence_(0) {}

 private:
  friend class TimerQueue;
  explicit TimerId(int64_t sequence) : sequence_(sequence) {}

  int64_t sequence_;
};

}  // namespace net
}  // namespace muduo

#endif
