// SIGHUP as an event of a loop: the way to say "read your files again".
#ifndef AI_CHAT_HANG_UP_H
#define AI_CHAT_HANG_UP_H

#include <muduo/base/noncopyable.h>
#include <muduo/net/Channel.h>

#include <functional>
#include <memory>

namespace ai_chat {

class HangUp : muduo::noncopyable {
 public:
  // Blocks the signal for this thread and all that it starts later: make it before any other thread, and destroy it
  // before the loop. Throws std::runtime_error when the system has no descriptor left.
  HangUp();
  ~HangUp();

  // In the loop's thread, once. Signals that come together are one.
  void watch(muduo::net::EventLoop* loop, std::function<void()> onSignal);

 private:
  const int descriptor_;
  std::unique_ptr<muduo::net::Channel> channel_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_HANG_UP_H
