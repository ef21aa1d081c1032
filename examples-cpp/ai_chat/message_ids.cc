#include "message_ids.h"

#include <chrono>
#include <cstdio>
#include <random>
#include <utility>

namespace ai_chat {

namespace {

std::string randomOrigin() {
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", static_cast<unsigned>(random()), static_cast<unsigned>(random()));
  return text;
}

// A sender's name has no control characters, so different pairs have different keys.
std::string keyOf(const std::string& sender, const std::string& id) { return sender + '\n' + id; }

}  // namespace

std::int64_t nowMs() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count();
}

MessageIds::MessageIds(std::size_t limit) : limit_(limit), origin_(randomOrigin()) {}

std::string MessageIds::next() {
  const std::int64_t now = nowMs();
  if (now > lastMs_) {
    lastMs_ = now;
    count_ = 0;
  } else if (++count_ > 0xFFFF) {  // or the clock was set back
    ++lastMs_;
    count_ = 0;
  }
  char text[64];
  std::snprintf(text, sizeof text, "%012llx-%04x-%s", static_cast<unsigned long long>(lastMs_),
                static_cast<unsigned>(count_), origin_.c_str());
  return text;
}

std::string MessageIds::find(const std::string& sender, const std::string& id) const {
  const auto found = byKey_.find(keyOf(sender, id));
  return found == byKey_.end() ? std::string() : found->second;
}

void MessageIds::remember(const std::string& sender, const std::string& id, const std::string& messageId) {
  if (id.empty() || limit_ == 0) return;
  std::string key = keyOf(sender, id);
  if (!byKey_.emplace(key, messageId).second) return;
  keys_.push_back(std::move(key));
  if (keys_.size() <= limit_) return;
  byKey_.erase(keys_.front());
  keys_.pop_front();
}

}  // namespace ai_chat
