#include "muduo_ws/LoopStreams.h"

#include "muduo_ws/LoopEngine.h"
#include "muduo_ws/StreamCore.h"

namespace wsmuduo {
namespace detail {

uint64_t numberOfThisThread() {
  static std::atomic<uint64_t> next(1);
  thread_local const uint64_t number = next.fetch_add(1);
  return number;
}

LoopStreams::LoopStreams(LoopEngine* engine)
    : engine_(engine), thread_(numberOfThisThread()), hasDropped_(false), isOpen_(true) {}

LoopStreams::~LoopStreams() {}

void LoopStreams::add(const std::shared_ptr<StreamCore>& stream) { streams_[stream.get()] = stream; }

void LoopStreams::handleDue() {
  while (ws_stream* const stream = ws_engine_next_due_stream(engine_->engine())) {
    static_cast<StreamCore*>(ws_stream_user_data(stream))->onDue();
  }
}

void LoopStreams::takeDropped() {
  if (!hasDropped_.load(std::memory_order_acquire)) return;
  std::vector<std::shared_ptr<StreamCore>> dropped;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    dropped.swap(dropped_);
    hasDropped_.store(false, std::memory_order_release);
  }
  for (const std::shared_ptr<StreamCore>& stream : dropped) stream->dropInLoop();
}

void LoopStreams::close() {
  std::vector<std::shared_ptr<StreamCore>> dropped;  // destroyed without the lock: their callbacks may hold anything
  {
    std::lock_guard<std::mutex> lock(mutex_);
    isOpen_ = false;
    dropped.swap(dropped_);
  }
  std::unordered_map<StreamCore*, std::shared_ptr<StreamCore>> streams;
  streams.swap(streams_);
  for (const auto& item : streams) item.second->release();
}

/// The ws_stream is the loop's. A loop without connections cannot be woken, since it may be gone: it sees it when it turns.
void LoopStreams::drop(const std::shared_ptr<StreamCore>& stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!isOpen_) return;
  dropped_.push_back(stream);
  hasDropped_.store(true, std::memory_order_release);
  LoopQueue::Item nothing;
  nothing.task = [](Session*) {};
  engine_->queue()->post(&nothing);
}

}  // namespace detail
}  // namespace wsmuduo
