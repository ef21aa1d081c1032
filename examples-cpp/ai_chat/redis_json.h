// What stands in Redis as JSON.
#ifndef AI_CHAT_REDIS_JSON_H
#define AI_CHAT_REDIS_JSON_H

#include <string>
#include <string_view>

#include "conversation.h"

namespace ai_chat {

std::string exchangeToJson(const Exchange& exchange);
bool exchangeFromJson(std::string_view json, Exchange* exchange);

// Without messageId and time: Redis makes them, see stampPost().
std::string postToJson(const Post& post);
bool postFromJson(std::string_view json, Post* post);
// A stamp is the time in microseconds, and names the post.
void stampPost(std::string_view stamp, Post* post);

// With quotation marks.
std::string quotedJson(std::string_view text);

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_JSON_H
