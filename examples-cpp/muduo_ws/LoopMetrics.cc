#include "muduo_ws/LoopMetrics.h"

namespace wsmuduo {
namespace detail {

namespace {

const uint64_t kNever = UINT64_MAX;
const uint64_t kPublishEveryMs = 500;

}  // namespace

LoopMetrics::LoopMetrics(ws_engine* engine) : engine_(engine), publishedAt_(0), dueAt_(kNever) { publish(0); }

void LoopMetrics::onTurn(uint64_t nowMs) {
  dueAt_ = publishedAt_ + kPublishEveryMs;
  if (nowMs >= dueAt_) publish(nowMs);
}

void LoopMetrics::publish(uint64_t nowMs) {
  const std::shared_ptr<ws_metrics> metrics = std::make_shared<ws_metrics>();
  metrics->struct_size = sizeof *metrics;
  ws_metrics_get(engine_, metrics.get());
  publishedAt_ = nowMs;
  dueAt_ = kNever;
  std::shared_ptr<const ws_metrics> latest = metrics;
  std::lock_guard<std::mutex> lock(mutex_);
  latest_.swap(latest);
}

std::shared_ptr<const ws_metrics> LoopMetrics::latest() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return latest_;
}

}  // namespace detail
}  // namespace wsmuduo
