#include "chat_json.h"

#include <optional>

#include "json_text.h"

namespace ai_chat {

namespace {

constexpr std::size_t kMaxSessionIdBytes = 128;

}  // namespace

Command decodeCommand(std::string_view text) {
  const std::optional<Json> json = parseJson(text);
  if (!json) return BadCommand{"the message is not JSON (or nested too deeply)"};
  if (!json->is_object()) return BadCommand{"the message is not a JSON object"};

  const std::string* type = stringMember(*json, "type");
  if (type == nullptr) return BadCommand{"the field \"type\" is missing or not a string"};
  if (*type == "stop") return StopCommand{};
  if (*type != "chat") return BadCommand{"unknown type: \"chat\" and \"stop\" are known"};

  const std::string* sessionId = stringMember(*json, "sessionId");
  if (sessionId == nullptr || sessionId->empty()) {
    return BadCommand{"the field \"sessionId\" is missing, empty or not a string"};
  }
  if (sessionId->size() > kMaxSessionIdBytes) {
    return BadCommand{"the field \"sessionId\" is longer than " + std::to_string(kMaxSessionIdBytes) + " bytes"};
  }
  const std::string* message = stringMember(*json, "message");
  if (message == nullptr || message->empty()) {
    return BadCommand{"the field \"message\" is missing, empty or not a string"};
  }
  return ChatCommand{*sessionId, *message};
}

std::string encodeStream(std::string_view content, bool done) {
  return dumpJson(Json{{"type", "stream"}, {"content", content}, {"done", done}});
}

std::string encodeError(std::string_view code, std::string_view message) {
  return dumpJson(Json{{"type", "error"}, {"code", code}, {"message", message}});
}

}  // namespace ai_chat
