// JSON that comes from strangers, for the .cc files that read it; no other header includes the JSON library.
#ifndef AI_CHAT_JSON_TEXT_H
#define AI_CHAT_JSON_TEXT_H

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace ai_chat {

using Json = nlohmann::json;

// Nothing when it is not JSON, or nested deeper than 64.
std::optional<Json> parseJson(std::string_view text);

// The member of an object, or nullptr: also when it is null, which says the same.
const Json* member(const Json& json, const char* name);
const std::string* stringMember(const Json& json, const char* name);

// On one line; what is not UTF-8 is replaced.
std::string dumpJson(const Json& json);
std::string dumpJson(const nlohmann::ordered_json& json);

}  // namespace ai_chat

#endif  // AI_CHAT_JSON_TEXT_H
