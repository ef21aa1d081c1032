#include "muduo_ws/TokenStream.h"

#include "muduo_ws/StreamCore.h"

#include <ws_engine.h>

namespace wsmuduo {

using detail::StreamCore;

// Any call may end in a callback that drops the last pointer: `core` stays, and `this` is not touched behind it.

TokenStream::TokenStream(const std::shared_ptr<StreamCore>& core) : core_(core) {}

TokenStream::~TokenStream() {
  if (core_) core_->drop();
}

bool TokenStream::write(const muduo::StringPiece& bytes) {
  const std::shared_ptr<StreamCore> core = core_;
  return core && core->write(bytes.data(), static_cast<size_t>(bytes.size()));
}

bool TokenStream::finish(const std::string& reason, const Usage* usage) {
  const std::shared_ptr<StreamCore> core = core_;
  if (!core) return false;
  ws_stream_usage counts = ws_stream_usage();
  counts.struct_size = sizeof counts;
  if (usage != NULL) {
    counts.prompt_tokens = usage->promptTokens;
    counts.completion_tokens = usage->completionTokens;
    counts.total_tokens = usage->totalTokens;
  }
  const ws_stream_usage* const told = usage == NULL ? NULL : &counts;
  const char* const word = reason.empty() ? NULL : reason.data();
  return core->end("finish", [&](ws_stream* stream) { return ws_stream_finish(stream, word, reason.size(), told); });
}

bool TokenStream::fail(const std::string& code, const std::string& message, bool isRetryable) {
  const std::shared_ptr<StreamCore> core = core_;
  return core && core->end("fail", [&](ws_stream* stream) {
    return ws_stream_fail(stream, code.data(), code.size(), message.data(), message.size(), isRetryable ? 1 : 0);
  });
}

bool TokenStream::cancel() {
  const std::shared_ptr<StreamCore> core = core_;
  return core && core->end("cancel", ws_stream_cancel);
}

bool TokenStream::isFinished() const { return !core_ || core_->isEnded(); }

void TokenStream::setPauseCallback(const PauseCallback& callback) {
  if (core_) core_->setPauseCallback(callback);
}

bool TokenStream::isPaused() const { return core_ && core_->isPaused(); }

}  // namespace wsmuduo
