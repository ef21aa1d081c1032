// What the server says about people and rooms; wire.h declares it.
#include <nlohmann/json.hpp>

#include <utility>

#include "json_text.h"
#include "store.h"
#include "wire.h"

namespace ai_chat {

namespace {

using Ordered = nlohmann::ordered_json;  // fields stay in the order of the documentation

Ordered toJson(const Post& post) {
  Ordered json = {{"type", "message"}, {"messageId", post.messageId}, {"from", nullptr}};
  if (!post.from.empty()) json["from"] = post.from;
  if (post.room.empty()) {
    json["to"] = post.to;
  } else {
    json["room"] = post.room;
  }
  json["text"] = post.text;
  json["at"] = post.at;
  if (!post.requestId.empty()) json["requestId"] = post.requestId;
  if (!post.finishReason.empty()) json["finish_reason"] = post.finishReason;
  return json;
}

}  // namespace

std::string encodeWelcome(std::string_view user, std::string_view node, std::size_t unread) {
  return dumpJson(Ordered{{"type", "welcome"}, {"user", user}, {"node", node}, {"unread", unread}});
}

std::string encodeAck(std::string_view id, std::string_view messageId, const bool* delivered) {
  Ordered json = {{"type", "ack"}, {"id", id}, {"messageId", messageId}};
  if (delivered != nullptr) json["delivered"] = *delivered;
  return dumpJson(json);
}

std::string encodePost(const Post& post) { return dumpJson(toJson(post)); }

std::string encodeJoined(std::string_view room, const RoomState& state) {
  Ordered messages = Ordered::array();
  for (const Post& post : state.posts) messages.push_back(toJson(post));
  Ordered answers = Ordered::array();
  for (const RoomState::Answer& answer : state.answers) {
    answers.push_back({{"requestId", answer.requestId}, {"seq", answer.seq}});
  }
  return dumpJson(Ordered{{"type", "joined"},
                          {"room", room},
                          {"members", state.members},
                          {"messages", std::move(messages)},
                          {"answers", std::move(answers)}});
}

std::string encodeLeft(std::string_view room) { return dumpJson(Ordered{{"type", "left"}, {"room", room}}); }

std::string encodePresence(std::string_view room, std::string_view user, bool online) {
  return dumpJson(Ordered{{"type", "presence"}, {"room", room}, {"user", user}, {"online", online}});
}

}  // namespace ai_chat
