// Conversations in Redis. What is added is written in order, and again after a loss; while Redis is away, memory
// answers.
#ifndef AI_CHAT_REDIS_CONVERSATIONS_H
#define AI_CHAT_REDIS_CONVERSATIONS_H

#include <muduo/base/noncopyable.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "conversations.h"
#include "redis_node.h"
#include "store.h"

namespace ai_chat {

class RedisConversations : muduo::noncopyable {
 public:
  using Loop = Store::Loop;

  explicit RedisConversations(RedisNode* node) : node_(node), cache_(node->limits()) {}

  void history(const Scope& scope, Loop* loop, std::function<void(std::vector<Exchange>)> done);
  void add(const Scope& scope, Exchange exchange, const std::string& replaces, Loop* loop, std::function<void()> done);

  void onUp() { pump(); }
  void onDown();
  std::size_t pending() const { return waiting_.size(); }

 private:
  struct Waiting {
    std::uint64_t number;
    Scope scope;
    Exchange exchange;
    std::string replaces;  // the requestId of the answer that it takes the place of, or nothing
    Loop* loop;
    std::function<void()> done;  // not once it has been called
  };

  void pump();
  void tell(Waiting* one);

  RedisNode* const node_;
  Conversations cache_;
  std::uint64_t lastNumber_ = 0;
  std::deque<Waiting> waiting_;  // until Redis has confirmed it
  std::size_t sent_ = 0;         // the first ones of these
  std::size_t bytes_ = 0;
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_CONVERSATIONS_H
