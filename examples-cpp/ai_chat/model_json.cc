#include "model_json.h"

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include "json_bytes.h"
#include "json_text.h"
#include "utf8.h"

namespace ai_chat {

namespace {

constexpr std::size_t kMaxFinishReason = 64;

// JSON from an upstream may hold halves of characters; its strings need unpackBytes() then.
struct UpstreamJson {
  Json json;
  bool packed;
};

std::optional<UpstreamJson> parseUpstream(std::string_view text) {
  if (std::optional<Json> json = parseJson(text)) return UpstreamJson{*std::move(json), false};
  if (std::optional<Json> json = parseJson(packBytes(text))) return UpstreamJson{*std::move(json), true};
  return std::nullopt;
}

std::string singleLine(std::string_view bytes) {
  std::string text = replaceBroken(bytes);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

Chunk broken(std::string why) {
  Chunk chunk;
  chunk.kind = Chunk::Kind::kBroken;
  chunk.why = std::move(why);
  return chunk;
}

// ---- errors ----

// The places where servers put the text of an error.
std::string errorText(const Json& json) {
  if (const Json* error = member(json, "error")) {
    if (const auto* text = error->get_ptr<const std::string*>()) return *text;
    if (const std::string* text = stringMember(*error, "message")) return *text;
    return dumpJson(*error);
  }
  for (const char* name : {"message", "detail"}) {
    if (const std::string* text = stringMember(json, name)) return *text;
  }
  return std::string();
}

bool isError(const Json& json) {
  const Json* error = member(json, "error");
  if (error != nullptr) return *error != Json("") && *error != Json(false);
  const std::string* object = stringMember(json, "object");
  return object != nullptr && *object == "error";
}

// A number, or a string that is one, if it can be the status of an HTTP error.
int errorStatus(const Json* value) {
  if (value == nullptr) return 0;
  long number = 0;
  if (const auto* text = value->get_ptr<const std::string*>()) {
    char* end = nullptr;
    number = std::strtol(text->c_str(), &end, 10);
    if (*end != '\0') return 0;
  } else if (value->is_number_integer()) {
    number = value->get<long>();
  }
  return number >= 400 && number <= 599 ? static_cast<int>(number) : 0;
}

int errorStatus(const Json& json) {
  const Json* error = member(json, "error");
  const Json& holder = error != nullptr && error->is_object() ? *error : json;
  for (const char* name : {"code", "status"}) {
    if (const int status = errorStatus(member(holder, name))) return status;
  }
  return 0;
}

// ---- usage ----

// A count of tokens; what is no count is as good as none.
std::optional<std::uint64_t> count(const Json& usage, const char* name) {
  constexpr double kMax = 9007199254740991;  // what JavaScript can count
  const Json* value = member(usage, name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const double number = value->get<double>();
  if (!(number >= 0) || number > kMax) return std::nullopt;
  return static_cast<std::uint64_t>(number);
}

std::optional<UpstreamUsage> readUsage(const Json& json) {
  const Json* usage = member(json, "usage");
  if (usage == nullptr) return std::nullopt;
  const auto prompt = count(*usage, "prompt_tokens");
  const auto completion = count(*usage, "completion_tokens");
  const auto total = count(*usage, "total_tokens");
  if (!prompt && !completion && !total) return std::nullopt;
  UpstreamUsage result;
  result.promptTokens = prompt.value_or(0);
  result.completionTokens = completion.value_or(0);
  result.totalTokens = total.value_or(result.promptTokens + result.completionTokens);
  return result;
}

// ---- text ----

// Appends a string; false when it is something else.
bool readText(const Json& value, bool packed, std::string* text) {
  const auto* string = value.get_ptr<const std::string*>();
  if (string == nullptr) return false;
  text->append(packed ? unpackBytes(*string) : *string);
  return true;
}

// `content` is a string, or a list of parts: those of type "text" are for the reader, others are thoughts.
bool readContent(const Json& content, bool packed, Chunk* chunk) {
  if (!content.is_array()) return readText(content, packed, &chunk->content);
  for (const Json& part : content) {
    const std::string* type = stringMember(part, "type");
    if (type == nullptr) return false;
    if (*type != "text") {
      chunk->reasoning = true;
      continue;
    }
    const Json* text = member(part, "text");
    if (text == nullptr || !readText(*text, packed, &chunk->content)) return false;
  }
  return true;
}

// Reads a delta or a message into `chunk`; what is wrong with it, or "".
std::string readMessage(const Json& message, bool packed, Chunk* chunk) {
  // A model that declines says so in "refusal".
  for (const char* name : {"content", "refusal"}) {
    const Json* content = member(message, name);
    if (content != nullptr && !readContent(*content, packed, chunk)) {
      return std::string("\"") + name + "\" is not a string";
    }
  }
  for (const char* name : {"reasoning_content", "reasoning"}) {
    const std::string* reasoning = stringMember(message, name);
    if (reasoning != nullptr && !reasoning->empty()) chunk->reasoning = true;
  }
  return std::string();
}

std::string readChoice(const Json& choice, bool packed, Chunk* chunk) {
  if (!choice.is_object()) return "a choice is not an object";
  chunk->hasChoice = true;
  if (const Json* reason = member(choice, "finish_reason")) {
    std::string text;
    if (!readText(*reason, packed, &text)) return "\"finish_reason\" is not a string";
    chunk->finishReason = shorten(singleLine(text), kMaxFinishReason);
  }
  for (const char* name : {"delta", "message"}) {
    const Json* message = member(choice, name);
    if (message == nullptr) continue;
    if (!message->is_object()) return std::string("\"") + name + "\" is not an object";
    chunk->isMessage = name == std::string_view("message");
    return readMessage(*message, packed, chunk);
  }
  return std::string();
}

}  // namespace

std::string encodeCompletionRequest(std::string_view model, const std::vector<Turn>& turns, bool wantsUsage) {
  Json messages = Json::array();
  for (const Turn& turn : turns) {
    messages.push_back({{"role", turn.role == Turn::Role::kUser ? "user" : "assistant"}, {"content", turn.text}});
  }
  Json request = {{"model", model}, {"messages", std::move(messages)}, {"stream", true}};
  if (wantsUsage) request["stream_options"] = {{"include_usage", true}};
  return dumpJson(request);
}

Chunk decodeChunk(std::string_view text) {
  const std::optional<UpstreamJson> upstream = parseUpstream(text);
  if (!upstream) return broken("not JSON");
  const Json& json = upstream->json;
  if (!json.is_object()) return broken("not a JSON object");

  Chunk chunk;
  if (isError(json)) {
    chunk.kind = Chunk::Kind::kError;
    chunk.status = errorStatus(json);
    return chunk;
  }
  chunk.usage = readUsage(json);

  const Json* choices = member(json, "choices");
  if (choices == nullptr) return chunk;  // a keep-alive, or usage only
  if (!choices->is_array()) return broken("\"choices\" is not an array");
  if (choices->empty()) return chunk;  // the chunk with the usage
  std::string why = readChoice(choices->front(), upstream->packed, &chunk);
  return why.empty() ? chunk : broken(std::move(why));
}

std::string decodeErrorMessage(std::string_view text) {
  const std::optional<UpstreamJson> upstream = parseUpstream(text);
  if (!upstream) return std::string();
  const std::string message = errorText(upstream->json);
  return singleLine(upstream->packed ? unpackBytes(message) : message);
}

}  // namespace ai_chat
