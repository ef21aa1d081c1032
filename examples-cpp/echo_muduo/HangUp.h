// SIGHUP, with which administrators tell a server to read its certificate again.

#ifndef ECHO_MUDUO_HANGUP_H
#define ECHO_MUDUO_HANGUP_H

#include <muduo/base/noncopyable.h>

#include <atomic>
#include <functional>
#include <thread>

/// Calls back, on a thread of its own, at every SIGHUP. Make it before any other thread starts.
class HangUpThread : muduo::noncopyable {
 public:
  explicit HangUpThread(const std::function<void()>& onSignal);
  ~HangUpThread();

 private:
  std::atomic<bool> isOver_;
  std::thread thread_;
};

#endif  // ECHO_MUDUO_HANGUP_H
