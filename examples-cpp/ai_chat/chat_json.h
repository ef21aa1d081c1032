// What a browser says and hears.
#ifndef AI_CHAT_CHAT_JSON_H
#define AI_CHAT_CHAT_JSON_H

#include <string>
#include <string_view>
#include <variant>

namespace ai_chat {

struct ChatCommand {
  std::string sessionId;
  std::string message;
};
struct StopCommand {};
struct BadCommand {
  std::string why;  // for a human
};
using Command = std::variant<ChatCommand, StopCommand, BadCommand>;

// Fields that are not known are ignored; of a field that occurs twice the last one counts, as in a browser.
Command decodeCommand(std::string_view json);

std::string encodeStream(std::string_view content, bool done);
std::string encodeError(std::string_view code, std::string_view message);

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_JSON_H
