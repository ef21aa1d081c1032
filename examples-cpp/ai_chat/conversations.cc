#include "conversations.h"

#include <utility>

#include "utf8.h"

namespace ai_chat {

std::vector<Exchange> Conversations::history(const Scope& scope) {
  const std::string key = scope.key();
  if (byKey_.count(key) == 0) return {};
  const Conversation* conversation = use(key);
  return {conversation->exchanges.begin(), conversation->exchanges.end()};
}

void Conversations::add(const Scope& scope, const Exchange& exchange, const std::string& replaces) {
  Exchange kept = exchange;
  kept.question = cutToWhole(exchange.question, limits_.bytes);
  kept.answer = cutToWhole(exchange.answer, limits_.bytes - kept.question.size());
  // Models reject or misread an empty turn.
  if (kept.question.empty() || kept.answer.empty() || limits_.turns < 2 || limits_.conversations == 0) return;

  Conversation* conversation = use(scope.key());
  const auto& before = conversation->exchanges;
  if (!replaces.empty() && !before.empty() && before.back().requestId == replaces) dropLast(conversation);
  conversation->bytes += kept.size();
  bytes_ += kept.size();
  conversation->exchanges.push_back(std::move(kept));

  while (conversation->exchanges.size() > limits_.turns / 2 || conversation->bytes > limits_.bytes) {
    dropFirst(conversation);
  }
  while (size() > limits_.conversations || (bytes_ > limits_.totalBytes && size() > 1)) dropLeastRecentlyUsed();
}

void Conversations::set(const Scope& scope, const std::vector<Exchange>& exchanges) {
  Conversation* conversation = use(scope.key());
  while (!conversation->exchanges.empty()) dropFirst(conversation);
  for (const Exchange& exchange : exchanges) add(scope, exchange, std::string());
}

// Makes it if there is none.
Conversations::Conversation* Conversations::use(const std::string& key) {
  const auto found = byKey_.find(key);
  if (found == byKey_.end()) {
    conversations_.push_front({key, {}, 0});
    byKey_.emplace(key, conversations_.begin());
  } else {
    conversations_.splice(conversations_.begin(), conversations_, found->second);
  }
  return &conversations_.front();
}

void Conversations::dropFirst(Conversation* conversation) {
  const std::size_t size = conversation->exchanges.front().size();
  conversation->bytes -= size;
  bytes_ -= size;
  conversation->exchanges.pop_front();
}

void Conversations::dropLast(Conversation* conversation) {
  const std::size_t size = conversation->exchanges.back().size();
  conversation->bytes -= size;
  bytes_ -= size;
  conversation->exchanges.pop_back();
}

void Conversations::dropLeastRecentlyUsed() {
  bytes_ -= conversations_.back().bytes;
  byKey_.erase(conversations_.back().key);
  conversations_.pop_back();
}

}  // namespace ai_chat
