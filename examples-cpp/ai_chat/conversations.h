// What was said in each session and room, so that the model sees the conversation. In memory and bounded: in turns and
// bytes a conversation, in conversations, and in bytes altogether. What was used longest ago goes first. Not locked.
#ifndef AI_CHAT_CONVERSATIONS_H
#define AI_CHAT_CONVERSATIONS_H

#include <cstddef>
#include <deque>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "conversation.h"
#include "store.h"

namespace ai_chat {

class Conversations {
 public:
  explicit Conversations(const Store::Limits& limits) : limits_(limits) {}

  // Oldest first; empty for one that is not known.
  std::vector<Exchange> history(const Scope& scope);
  // An answer that is too long to keep is kept in part; one without a word, not at all. See Store::addExchange.
  void add(const Scope& scope, const Exchange& exchange, const std::string& replaces);

  // Instead of what is known of it.
  void set(const Scope& scope, const std::vector<Exchange>& exchanges);

  std::size_t size() const { return conversations_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Conversation {
    std::string key;
    std::deque<Exchange> exchanges;
    std::size_t bytes = 0;
  };
  using List = std::list<Conversation>;  // most recently used first

  Conversation* use(const std::string& key);
  void dropFirst(Conversation* conversation);
  void dropLast(Conversation* conversation);
  void dropLeastRecentlyUsed();

  const Store::Limits limits_;
  List conversations_;
  std::unordered_map<std::string, List::iterator> byKey_;
  std::size_t bytes_ = 0;
};

}  // namespace ai_chat

#endif  // AI_CHAT_CONVERSATIONS_H
