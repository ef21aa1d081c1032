#include "wire.h"

#include <limits>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "json_text.h"
#include "store.h"

namespace ai_chat {

const char kSubprotocol[] = "wsengine-chat.v1";

namespace {

using Ordered = nlohmann::ordered_json;  // fields stay in the order of the documentation

constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxMessageIdBytes = 64;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMinTokenBytes = 16;
constexpr std::size_t kMaxTokenBytes = 128;
constexpr std::size_t kMaxTextBytes = 8 * 1024;
constexpr std::size_t kMaxReceived = 1000;

// A field that is missing or wrong; what() says which.
struct Wrong {
  std::string why;
};

std::string field(const char* name) { return std::string("the field \"") + name + "\" "; }

// A string of `low` to `high` bytes.
std::string text(const Json& json, const char* name, std::size_t low, std::size_t high) {
  const std::string* value = stringMember(json, name);
  if (value == nullptr) throw Wrong{field(name) + "is missing or not a string"};
  if (value->empty() && low > 0) throw Wrong{field(name) + "is empty"};
  if (value->size() < low || value->size() > high) {
    throw Wrong{field(name) + "has " + std::to_string(value->size()) + " bytes instead of " + std::to_string(low) + " to " +
                std::to_string(high)};
  }
  return *value;
}

bool has(const Json& json, const char* name) { return member(json, name) != nullptr; }

std::string optionalText(const Json& json, const char* name, std::size_t high) {
  return has(json, name) ? text(json, name, 1, high) : std::string();
}

// Of a user or a room: what people can read and tell apart.
std::string name(const Json& json, const char* field) {
  std::string value = text(json, field, 1, kMaxNameBytes);
  for (const char c : value) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      throw Wrong{ai_chat::field(field) + "has a control character"};
    }
  }
  if (value.front() == ' ' || value.back() == ' ') throw Wrong{ai_chat::field(field) + "begins or ends with a blank"};
  return value;
}

// `room` or `sessionId`; a room counts for more.
Scope scope(const Json& json) {
  if (has(json, "room")) return Scope::room(name(json, "room"));
  return Scope::session(text(json, "sessionId", 1, kMaxIdBytes));
}

Scope optionalScope(const Json& json) { return has(json, "room") || has(json, "sessionId") ? scope(json) : Scope(); }

std::uint64_t number(const Json& json, const char* name) {
  const Json* value = member(json, name);
  if (value == nullptr) return 0;
  if (!value->is_number_unsigned()) throw Wrong{field(name) + "is not a whole number from 0 on"};
  return value->get<std::uint64_t>();
}

Command chat(const Json& json) {
  ChatCommand command;
  command.message = text(json, "message", 1, std::numeric_limits<std::size_t>::max());
  command.scope = scope(json);
  command.requestId = optionalText(json, "requestId", kMaxIdBytes);
  command.regenerate = optionalText(json, "regenerate", kMaxIdBytes);
  return command;
}

Command stop(const Json& json) { return StopCommand{optionalScope(json), optionalText(json, "requestId", kMaxIdBytes)}; }

Command resume(const Json& json) {
  ResumeCommand command;
  command.answer.requestId = text(json, "requestId", 1, kMaxIdBytes);
  command.answer.scope = scope(json);
  command.after = number(json, "after");
  command.answerId = optionalText(json, "answerId", kMaxIdBytes);
  return command;
}

Command history(const Json& json) { return HistoryCommand{text(json, "sessionId", 1, kMaxIdBytes)}; }

Command ping(const Json& json) {
  const Json* id = member(json, "id");
  if (id == nullptr) return PingCommand{};
  if (!id->is_number() && !id->is_string()) throw Wrong{field("id") + "is neither a string nor a number"};
  std::string said = dumpJson(*id);
  if (said.size() > kMaxIdBytes) throw Wrong{field("id") + "is longer than " + std::to_string(kMaxIdBytes) + " bytes"};
  return PingCommand{std::move(said)};
}

Command login(const Json& json) {
  return LoginCommand{name(json, "user"), text(json, "token", kMinTokenBytes, kMaxTokenBytes)};
}

Command message(const Json& json) {
  MessageCommand command;
  command.id = text(json, "id", 1, kMaxMessageIdBytes);
  if (has(json, "to") == has(json, "room")) throw Wrong{"a message goes to one user (\"to\") or into one room (\"room\")"};
  (has(json, "to") ? command.to : command.room) = name(json, has(json, "to") ? "to" : "room");
  command.text = text(json, "text", 1, kMaxTextBytes);
  return command;
}

Command received(const Json& json) {
  const Json* ids = member(json, "messageIds");
  if (ids == nullptr || !ids->is_array() || ids->size() > kMaxReceived) {
    throw Wrong{field("messageIds") + "is not a list of up to " + std::to_string(kMaxReceived) + " strings"};
  }
  ReceivedCommand command;
  for (const Json& id : *ids) {
    if (!id.is_string()) throw Wrong{field("messageIds") + "has something that is not a string"};
    command.messageIds.push_back(id.get<std::string>());
  }
  return command;
}

Command join(const Json& json) { return JoinCommand{name(json, "room")}; }

Command leave(const Json& json) { return LeaveCommand{name(json, "room")}; }

struct Type {
  const char* name;
  Command (*read)(const Json&);
  bool awaitsAnswer;
};
constexpr Type kTypes[] = {
    {"chat", chat, true},        {"stop", stop, false},         {"resume", resume, true}, {"history", history, false},
    {"ping", ping, false},       {"login", login, false},       {"join", join, false},    {"leave", leave, false},
    {"message", message, false}, {"received", received, false},
};

// What can be said of a message that was not understood.
std::string readable(const Json& json, const char* name, std::size_t high) {
  const std::string* value = stringMember(json, name);
  return value != nullptr && value->size() <= high ? *value : std::string();
}

BadCommand bad(const Json& json, std::string code, std::string why, bool awaitsAnswer) {
  return BadCommand{std::move(code), std::move(why), readable(json, "requestId", kMaxIdBytes),
                    readable(json, "id", kMaxMessageIdBytes), awaitsAnswer};
}

void put(Ordered* json, const char* name, std::string_view value) {
  if (!value.empty()) (*json)[name] = value;
}

Ordered status(std::string_view requestId, std::string_view status) {
  return {{"type", "status"}, {"requestId", requestId}, {"status", status}};
}

}  // namespace

// ---- reading ----

Command decodeCommand(std::string_view text) {
  const std::optional<Json> json = parseJson(text);
  if (!json) return bad(Json(), "bad_request", "the message is not JSON (or nested too deeply)", false);
  if (!json->is_object()) return bad(Json(), "bad_request", "the message is not a JSON object", false);
  const std::string* type = stringMember(*json, "type");
  if (type == nullptr) return bad(*json, "bad_request", field("type") + "is missing or not a string", false);
  for (const Type& known : kTypes) {
    if (*type != known.name) continue;
    try {
      return known.read(*json);
    } catch (const Wrong& wrong) {
      return bad(*json, "bad_request", wrong.why, known.awaitsAnswer);
    }
  }
  std::string names;
  for (const Type& known : kTypes) names += (names.empty() ? "" : ", ") + std::string(known.name);
  return bad(*json, "unknown_type", "unknown type; known are " + names, false);
}

// ---- writing ----

std::string encodeStatus(std::string_view requestId, std::string_view word) { return dumpJson(status(requestId, word)); }

std::string encodeQueued(std::string_view requestId, std::size_t position) {
  Ordered json = status(requestId, "queued");
  json["position"] = position;
  return dumpJson(json);
}

std::string encodeRetrying(std::string_view requestId, double retryAfter) {
  Ordered json = status(requestId, "retrying");
  json["retryAfter"] = retryAfter;
  return dumpJson(json);
}

std::string encodeError(const ErrorReply& error) {
  Ordered json = {{"type", "error"}};
  put(&json, "requestId", error.requestId);
  put(&json, "id", error.id);
  json["code"] = error.code;
  json["message"] = error.message;
  json["retryable"] = error.retryable;
  return dumpJson(json);
}

std::string encodeRefused(std::string_view requestId) {
  Ordered json = {{"type", "stream"}};
  put(&json, "requestId", requestId);
  json["content"] = "";
  json["done"] = true;
  json["finish_reason"] = "error";
  return dumpJson(json);
}

std::string encodeHistory(std::string_view sessionId, const std::vector<Exchange>& exchanges) {
  Ordered turns = Ordered::array();
  for (const Exchange& exchange : exchanges) {
    Ordered question = {{"role", "user"}, {"content", exchange.question}};
    put(&question, "requestId", exchange.requestId);
    turns.push_back(std::move(question));
    turns.push_back({{"role", "assistant"}, {"content", exchange.answer}, {"finish_reason", exchange.finishReason}});
  }
  return dumpJson(Ordered{{"type", "history"}, {"sessionId", sessionId}, {"turns", std::move(turns)}});
}

std::string encodePong(std::string_view id) {
  return id.empty() ? R"({"type":"pong"})" : R"({"type":"pong","id":)" + std::string(id) + "}";
}

std::string encodeService(std::string_view node, std::string_view store, bool degraded) {
  return dumpJson(Ordered{{"type", "service"}, {"node", node}, {"store", store}, {"degraded", degraded}});
}

std::string contentOf(std::string_view json) {
  const std::optional<Json> message = parseJson(json);
  const std::string* content = message ? stringMember(*message, "content") : nullptr;
  return content == nullptr ? std::string() : *content;
}

}  // namespace ai_chat
