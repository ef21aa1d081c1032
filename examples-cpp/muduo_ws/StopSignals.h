// StopSignals: SIGTERM and SIGINT as events of a loop, for an orderly end.

#ifndef MUDUO_WS_STOPSIGNALS_H
#define MUDUO_WS_STOPSIGNALS_H

#include <muduo/base/noncopyable.h>
#include <muduo/net/Channel.h>

#include <functional>
#include <memory>

namespace wsmuduo {

/// Blocks the signals for this thread and all that it starts later: make it before any other thread, and destroy it before
/// the loop.
class StopSignals : muduo::noncopyable {
 public:
  /// Throws std::runtime_error when the system has no descriptor left.
  StopSignals();
  ~StopSignals();

  /// `onSignal` is called in the loop, at the first signal; the second ends the process at once, for people who wait. Call
  /// it in the loop's thread, once.
  void watch(muduo::net::EventLoop* loop, const std::function<void()>& onSignal);

 private:
  void onReadable();

  const int descriptor_;
  std::function<void()> onSignal_;
  std::unique_ptr<muduo::net::Channel> channel_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_STOPSIGNALS_H
