// What is said to a model's server, and what it says: the JSON of an OpenAI-compatible /chat/completions.
#ifndef AI_CHAT_MODEL_JSON_H
#define AI_CHAT_MODEL_JSON_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turn.h"

namespace ai_chat {

// What an answer cost, as the model's server counts.
struct UpstreamUsage {
  std::uint64_t promptTokens = 0;
  std::uint64_t completionTokens = 0;
  std::uint64_t totalTokens = 0;
};

// The body of POST /chat/completions. `wantsUsage`: the stream shall end with the usage, which some servers refuse.
std::string encodeCompletionRequest(std::string_view model, const std::vector<Turn>& turns, bool wantsUsage);

// One event of the model's stream, or a whole completion.
struct Chunk {
  enum class Kind {
    kDelta,   // whatever is in it may be empty
    kError,   // the upstream reports an error
    kBroken,  // not JSON, or not of the right shape: see `why`
  };
  Kind kind = Kind::kDelta;
  std::string content;       // bytes: may begin or end in the middle of a character
  bool isMessage = false;    // `content` is all of the answer, not what is new
  bool hasChoice = false;
  bool reasoning = false;    // the model thinks: nothing to show, but it is alive
  std::string finishReason;  // UTF-8 on one line, bounded
  std::optional<UpstreamUsage> usage;
  int status = 0;            // kError: the HTTP status that it would have been; 0: not told
  std::string why;
};
Chunk decodeChunk(std::string_view json);

// The human text in an upstream's error, as one line of UTF-8; "" when there is none.
std::string decodeErrorMessage(std::string_view json);

}  // namespace ai_chat

#endif  // AI_CHAT_MODEL_JSON_H
