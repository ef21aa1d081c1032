// Every JSON text that the chat reads or writes. The JSON library stays inside chat_json.cc.
#ifndef AI_CHAT_CHAT_JSON_H
#define AI_CHAT_CHAT_JSON_H

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "turn.h"

namespace ai_chat {

// ---- the browser's messages ----

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

// ---- the model's side ----

// The body of POST /chat/completions.
std::string encodeCompletionRequest(std::string_view model, const std::vector<Turn>& turns);

// One event of the model's stream.
struct Chunk {
  enum class Kind {
    kDelta,   // content, reasoning and finishReason may each be empty
    kError,   // the upstream reports an error in the middle of its stream: see decodeErrorMessage
    kBroken,  // not JSON, or not of the right shape: see `why`
  };
  Kind kind = Kind::kDelta;
  std::string content;        // bytes: may begin or end in the middle of a character
  bool reasoning = false;     // the model thinks: nothing to show, but it is alive
  std::string finishReason;
  std::string why;
};
Chunk decodeChunk(std::string_view json);

// The human text in an upstream's error, as one line of UTF-8; "" when there is none.
std::string decodeErrorMessage(std::string_view json);

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_JSON_H
