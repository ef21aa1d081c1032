// Internal: the token streams of one event loop.

#ifndef MUDUO_WS_LOOPSTREAMS_H
#define MUDUO_WS_LOOPSTREAMS_H

#include <muduo/base/noncopyable.h>

#include <stdint.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace wsmuduo {
namespace detail {

class LoopEngine;
class StreamCore;

/// Unlike std::thread::id it is never given again: another thread is another loop.
uint64_t numberOfThisThread();

class LoopStreams : muduo::noncopyable {
 public:
  /// Made in the loop's thread.
  explicit LoopStreams(LoopEngine* engine);
  ~LoopStreams();

  // ---- the loop's thread ----

  /// To be used while there are streams only: it lives as long as they do.
  LoopEngine* engine() const { return engine_; }
  void add(const std::shared_ptr<StreamCore>& stream);
  void remove(StreamCore* stream) { streams_.erase(stream); }
  /// Those whose time has come hand over what they have, which may call the application.
  void handleDue();
  /// Those that other threads have dropped.
  void takeDropped();
  /// The server is gone: so are all streams.
  void close();

  // ---- any thread ----

  bool isInLoop() const { return numberOfThisThread() == thread_; }
  /// The application has dropped it in this thread.
  void drop(const std::shared_ptr<StreamCore>& stream);

 private:
  LoopEngine* const engine_;
  const uint64_t thread_;
  std::unordered_map<StreamCore*, std::shared_ptr<StreamCore>> streams_;

  std::atomic<bool> hasDropped_;
  std::mutex mutex_;  // guards what follows, and with it the engine's queue: it is there while isOpen_
  bool isOpen_;
  std::vector<std::shared_ptr<StreamCore>> dropped_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_LOOPSTREAMS_H
