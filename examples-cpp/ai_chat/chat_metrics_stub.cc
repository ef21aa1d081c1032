// Stands in for chat_metrics.cc until that is there, and yields to it.
#include "chat_metrics.h"

namespace ai_chat {

__attribute__((weak)) void ChatMetrics::Histogram::observe(double seconds) {
  ++counts_[0];
  sum_ = sum_ + seconds;
}
__attribute__((weak)) void ChatMetrics::Labelled::add(const std::string& value, std::uint64_t n) {
  const std::lock_guard<std::mutex> lock(mutex_);
  counts_[value] += n;
}

}  // namespace ai_chat
