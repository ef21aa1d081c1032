// Internal: what one loop's engine has counted, for other threads to read. The loop publishes a copy when a turn ends, at
// most twice a second; what is counted sooner after one is published half a second behind it. A loop in which nothing happens
// does nothing for it.

#ifndef MUDUO_WS_LOOPMETRICS_H
#define MUDUO_WS_LOOPMETRICS_H

#include <muduo/base/noncopyable.h>

#include <ws_engine.h>

#include <stdint.h>

#include <memory>
#include <mutex>

namespace wsmuduo {
namespace detail {

class LoopMetrics : muduo::noncopyable {
 public:
  explicit LoopMetrics(ws_engine* engine);

  // ---- the loop's thread ----

  /// Something may have been counted: publishes, if it is time.
  void onTurn(uint64_t nowMs);
  /// When there must be another turn; UINT64_MAX: everything is published.
  uint64_t dueAt() const { return dueAt_; }

  // ---- any thread ----

  /// The copy that was published last.
  std::shared_ptr<const ws_metrics> latest() const;

 private:
  void publish(uint64_t nowMs);

  ws_engine* const engine_;
  uint64_t publishedAt_;
  uint64_t dueAt_;

  mutable std::mutex mutex_;  // guards latest_, for as long as it takes to copy a pointer
  std::shared_ptr<const ws_metrics> latest_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_LOOPMETRICS_H
