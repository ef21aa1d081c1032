// A reply of Redis, to look into. Valid during the callback that it is given to.
#ifndef AI_CHAT_REDIS_VALUE_H
#define AI_CHAT_REDIS_VALUE_H

#include <hiredis/hiredis.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace ai_chat {

class RedisValue {
 public:
  // Null: the connection was lost before the reply came.
  explicit RedisValue(const redisReply* reply = nullptr) : reply_(reply) {}

  bool isLost() const { return reply_ == nullptr; }
  bool isError() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_ERROR; }
  bool isGood() const { return !isLost() && !isError(); }

  // Of a string, status or error; empty for everything else.
  std::string_view text() const {
    const bool has = reply_ != nullptr && (reply_->type == REDIS_REPLY_STRING || reply_->type == REDIS_REPLY_STATUS ||
                                           reply_->type == REDIS_REPLY_ERROR);
    return has ? std::string_view(reply_->str, reply_->len) : std::string_view();
  }
  std::string string() const { return std::string(text()); }

  // What went wrong, for a log: without what was sent, which Redis repeats when it does not know a command.
  std::string error() const {
    const std::string_view all = isError() ? text() : "the connection was lost";
    return std::string(all.substr(0, all.find(", with args")));
  }

  // Of an integer, or of a string that is one; 0 for everything else.
  std::int64_t number() const {
    if (reply_ == nullptr) return 0;
    if (reply_->type == REDIS_REPLY_INTEGER) return reply_->integer;
    return reply_->type == REDIS_REPLY_STRING ? std::strtoll(reply_->str, nullptr, 10) : 0;
  }

  std::size_t size() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0; }
  // Beyond the end: a lost one.
  RedisValue operator[](std::size_t i) const { return RedisValue(i < size() ? reply_->element[i] : nullptr); }

 private:
  const redisReply* reply_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_VALUE_H
