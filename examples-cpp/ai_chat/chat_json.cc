#include "chat_json.h"

#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "json_bytes.h"
#include "utf8.h"

namespace ai_chat {

namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxSessionIdBytes = 128;

// How deep arrays and objects nest decides how much memory and stack a parser needs: so look first.
bool tooDeep(std::string_view json) {
  int depth = 0;
  bool inString = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (inString) {
      if (c == '\\') ++i;
      if (c == '"') inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

std::optional<Json> parse(std::string_view text) {
  // A NUL is never JSON; the library would take it for the end and ignore what follows.
  if (tooDeep(text) || text.find('\0') != std::string_view::npos) return std::nullopt;
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

// The member of an object, or nullptr: also when it is null, which says the same.
const Json* member(const Json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(name);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

const std::string* stringMember(const Json& json, const char* name) {
  const Json* value = member(json, name);
  return value == nullptr ? nullptr : value->get_ptr<const std::string*>();
}

std::string dump(const Json& json) {
  // Replaces what is not UTF-8 instead of throwing.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The places where servers put the text of an error.
std::string errorText(const Json& json) {
  if (const Json* error = member(json, "error")) {
    if (const auto* text = error->get_ptr<const std::string*>()) return *text;
    if (const std::string* text = stringMember(*error, "message")) return *text;
    return dump(*error);
  }
  for (const char* name : {"message", "detail"}) {
    if (const std::string* text = stringMember(json, name)) return *text;
  }
  return std::string();
}

std::string singleLine(std::string_view bytes) {
  std::string text = replaceBroken(bytes);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

// JSON from an upstream may hold halves of characters; its strings need unpackBytes() then.
struct UpstreamJson {
  Json json;
  bool packed;
};

std::optional<UpstreamJson> parseUpstream(std::string_view text) {
  if (std::optional<Json> json = parse(text)) return UpstreamJson{*std::move(json), false};
  if (std::optional<Json> json = parse(packBytes(text))) return UpstreamJson{*std::move(json), true};
  return std::nullopt;
}

Chunk broken(std::string why) {
  Chunk chunk;
  chunk.kind = Chunk::Kind::kBroken;
  chunk.why = std::move(why);
  return chunk;
}

// Reads an optional string; false when it is something else.
bool readText(const Json& object, const char* name, bool packed, std::string* text) {
  const Json* value = member(object, name);
  if (value == nullptr) return true;
  const auto* string = value->get_ptr<const std::string*>();
  if (string == nullptr) return false;
  *text = packed ? unpackBytes(*string) : *string;
  return true;
}

}  // namespace

Command decodeCommand(std::string_view text) {
  const std::optional<Json> json = parse(text);
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
  return dump({{"type", "stream"}, {"content", content}, {"done", done}});
}

std::string encodeError(std::string_view code, std::string_view message) {
  return dump({{"type", "error"}, {"code", code}, {"message", message}});
}

std::string encodeCompletionRequest(std::string_view model, const std::vector<Turn>& turns) {
  Json messages = Json::array();
  for (const Turn& turn : turns) {
    messages.push_back({{"role", turn.role == Turn::Role::kUser ? "user" : "assistant"}, {"content", turn.text}});
  }
  return dump({{"model", model}, {"messages", std::move(messages)}, {"stream", true}});
}

Chunk decodeChunk(std::string_view text) {
  const std::optional<UpstreamJson> upstream = parseUpstream(text);
  if (!upstream) return broken("an event is not JSON");
  const Json& json = upstream->json;
  const bool packed = upstream->packed;
  if (!json.is_object()) return broken("an event is not a JSON object");

  Chunk chunk;
  if (member(json, "error") != nullptr) {
    chunk.kind = Chunk::Kind::kError;
    return chunk;
  }

  const Json* choices = member(json, "choices");
  if (choices == nullptr) return chunk;  // a keep-alive, or usage only
  if (!choices->is_array()) return broken("\"choices\" is not an array");
  if (choices->empty()) return chunk;  // the chunk with the usage

  const Json& choice = choices->front();
  if (!choice.is_object()) return broken("a choice is not an object");
  if (!readText(choice, "finish_reason", packed, &chunk.finishReason)) {
    return broken("\"finish_reason\" is not a string");
  }
  const Json* delta = member(choice, "delta");
  if (delta == nullptr) return chunk;
  if (!delta->is_object()) return broken("\"delta\" is not an object");
  if (!readText(*delta, "content", packed, &chunk.content)) return broken("\"content\" is not a string");
  for (const char* name : {"reasoning_content", "reasoning"}) {
    const std::string* reasoning = stringMember(*delta, name);
    if (reasoning != nullptr && !reasoning->empty()) chunk.reasoning = true;
  }
  return chunk;
}

std::string decodeErrorMessage(std::string_view text) {
  const std::optional<UpstreamJson> upstream = parseUpstream(text);
  if (!upstream) return std::string();
  const std::string message = errorText(upstream->json);
  return singleLine(upstream->packed ? unpackBytes(message) : message);
}

}  // namespace ai_chat
