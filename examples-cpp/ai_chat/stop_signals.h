// SIGTERM and SIGINT as events of a loop.
#ifndef AI_CHAT_STOP_SIGNALS_H
#define AI_CHAT_STOP_SIGNALS_H

#include <muduo/base/noncopyable.h>
#include <muduo/net/Channel.h>

#include <functional>
#include <memory>

namespace ai_chat {

// Blocks the signals for this thread and all that it starts later: make it before any thread.
class StopSignals : muduo::noncopyable {
 public:
  StopSignals();
  ~StopSignals();

  // `onSignal` is called in the loop, once for each signal. Destroy this when the loop has ended, before the loop
  // itself.
  void watch(muduo::net::EventLoop* loop, std::function<void()> onSignal);

 private:
  int descriptor_;
  std::unique_ptr<muduo::net::Channel> channel_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_STOP_SIGNALS_H
