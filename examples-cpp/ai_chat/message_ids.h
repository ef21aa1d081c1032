// The ids of messages: makes them, and knows again what was sent before.
#ifndef AI_CHAT_MESSAGE_IDS_H
#define AI_CHAT_MESSAGE_IDS_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

namespace ai_chat {

// Milliseconds since 1970.
std::int64_t nowMs();

// Not locked.
class MessageIds {
 public:
  explicit MessageIds(std::size_t limit);

  // Unlike any other, also of other processes; greater (as text) than those that this object made before.
  std::string next();

  // What sender and id were remembered with; empty if they were not, or long ago: only the last `limit` are known.
  std::string find(const std::string& sender, const std::string& id) const;
  // Not for an empty id.
  void remember(const std::string& sender, const std::string& id, const std::string& messageId);

 private:
  const std::size_t limit_;
  const std::string origin_;  // of this process
  std::int64_t lastMs_ = 0;
  std::uint32_t count_ = 0;   // within the millisecond
  std::unordered_map<std::string, std::string> byKey_;
  std::deque<std::string> keys_;  // oldest first
};

}  // namespace ai_chat

#endif  // AI_CHAT_MESSAGE_IDS_H
