// One thing said in a conversation.
#ifndef AI_CHAT_TURN_H
#define AI_CHAT_TURN_H

#include <string>

namespace ai_chat {

struct Turn {
  enum class Role { kUser, kAssistant };
  Role role;
  std::string text;  // UTF-8
};

}  // namespace ai_chat

#endif  // AI_CHAT_TURN_H
