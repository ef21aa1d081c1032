// Subscriptions of one connection to Redis: they are made again when that has been lost.
#ifndef AI_CHAT_REDIS_CHANNELS_H
#define AI_CHAT_REDIS_CHANNELS_H

#include <muduo/base/noncopyable.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "redis_value.h"

namespace ai_chat {

class RedisConnection;

// Everything in the connection's loop.
class RedisChannels : muduo::noncopyable {
 public:
  struct Callbacks {
    std::function<void()> onReady;                  // from here on nothing is missed; again after each loss
    std::function<void(std::string_view)> onText;
  };

  explicit RedisChannels(RedisConnection* connection) : connection_(connection) {}

  // At most once a channel, until unsubscribe().
  void subscribe(const std::string& channel, Callbacks callbacks);
  void unsubscribe(const std::string& channel);

  // Of the connection's.
  void onUp();
  void onDown();
  void onPush(const RedisValue& push);

  std::size_t size() const { return channels_.size(); }

 private:
  struct Channel {
    std::shared_ptr<Callbacks> callbacks;  // null: not wanted any more
    int awaited = 0;                       // confirmations
  };

  void send(const std::string& channel, Channel* state);

  RedisConnection* const connection_;
  std::unordered_map<std::string, Channel> channels_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_CHANNELS_H
