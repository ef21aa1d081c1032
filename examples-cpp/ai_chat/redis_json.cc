#include "redis_json.h"

#include <cstdlib>

#include "json_text.h"

namespace ai_chat {

namespace {

std::string text(const Json& json, const char* name) {
  const std::string* const found = stringMember(json, name);
  return found == nullptr ? std::string() : *found;
}

}  // namespace

std::string exchangeToJson(const Exchange& exchange) {
  return dumpJson(Json{{"requestId", exchange.requestId},
                       {"question", exchange.question},
                       {"answer", exchange.answer},
                       {"finishReason", exchange.finishReason}});
}

bool exchangeFromJson(std::string_view json, Exchange* exchange) {
  const std::optional<Json> parsed = parseJson(json);
  if (!parsed || !parsed->is_object()) return false;
  *exchange = {text(*parsed, "requestId"), text(*parsed, "question"), text(*parsed, "answer"),
               text(*parsed, "finishReason")};
  return true;
}

std::string postToJson(const Post& post) {
  Json json = Json::object();
  const auto put = [&json](const char* name, const std::string& value) {
    if (!value.empty()) json[name] = value;
  };
  put("id", post.id);
  put("from", post.from);
  put("to", post.to);
  put("room", post.room);
  put("text", post.text);
  put("requestId", post.requestId);
  put("finishReason", post.finishReason);
  return dumpJson(json);
}

bool postFromJson(std::string_view json, Post* post) {
  const std::optional<Json> parsed = parseJson(json);
  if (!parsed || !parsed->is_object()) return false;
  post->id = text(*parsed, "id");
  post->from = text(*parsed, "from");
  post->to = text(*parsed, "to");
  post->room = text(*parsed, "room");
  post->text = text(*parsed, "text");
  post->requestId = text(*parsed, "requestId");
  post->finishReason = text(*parsed, "finishReason");
  return true;
}

void stampPost(std::string_view stamp, Post* post) {
  post->messageId = std::string(stamp.substr(0, stamp.find('-')));
  post->at = std::strtoll(post->messageId.c_str(), nullptr, 10) / 1000;
}

std::string quotedJson(std::string_view text) { return dumpJson(Json(std::string(text))); }

}  // namespace ai_chat
