#include "redis_conversations.h"

#include <algorithm>
#include <utility>

#include "chat_metrics.h"
#include "log.h"
#include "redis_json.h"
#include "utf8.h"

namespace ai_chat {

namespace {

constexpr std::size_t kMaxSent = 128;      // under way
constexpr std::size_t kMaxWaiting = 20000;

// As conversations.cc does: what is too long is kept in part, what has no words not at all.
bool cutToFit(Exchange* exchange, const Store::Limits& limits) {
  exchange->question = std::string(cutToWhole(exchange->question, limits.bytes));
  exchange->answer = std::string(cutToWhole(exchange->answer, limits.bytes - exchange->question.size()));
  return !exchange->question.empty() && !exchange->answer.empty() && limits.turns >= 2;
}

bool has(const std::vector<Exchange>& exchanges, const std::string& requestId) {
  return std::any_of(exchanges.begin(), exchanges.end(),
                     [&](const Exchange& exchange) { return exchange.requestId == requestId; });
}

}  // namespace

void RedisConversations::history(const Scope& scope, Loop* loop, std::function<void(std::vector<Exchange>)> done) {
  const std::string key = node_->key("c:", scope.key());
  const bool asks = node_->isUp() && node_->command({"LRANGE", key, "0", "-1"}, [=](const RedisValue& reply) {
    if (!reply.isGood()) {
      if (reply.isError()) node_->countError("history", reply);
      node_->tell(loop, done, cache_.history(scope));
      return;
    }
    std::vector<Exchange> exchanges(reply.size());
    for (std::size_t i = 0; i < reply.size(); ++i) exchangeFromJson(reply[i].text(), &exchanges[i]);
    if (!exchanges.empty()) cache_.set(scope, exchanges);
    // Redis may not have these yet.
    for (const Waiting& one : waiting_) {
      if (one.scope == scope && !has(exchanges, one.exchange.requestId)) {
        cache_.add(scope, one.exchange, one.replaces);
      }
    }
    node_->tell(loop, done, cache_.history(scope));
  });
  if (!asks) node_->tell(loop, done, cache_.history(scope));
}

void RedisConversations::add(const Scope& scope, Exchange exchange, const std::string& replaces, Loop* loop,
                             std::function<void()> done) {
  if (!cutToFit(&exchange, node_->limits())) return node_->tell(loop, std::move(done));
  cache_.add(scope, exchange, replaces);
  bytes_ += exchange.size();
  waiting_.push_back({++lastNumber_, scope, std::move(exchange), replaces, loop, std::move(done)});
  if (!node_->isUp()) tell(&waiting_.back());
  bool dropped = false;
  while (sent_ == 0 && waiting_.size() > 1 && (waiting_.size() > kMaxWaiting || bytes_ > node_->limits().totalBytes)) {
    bytes_ -= waiting_.front().exchange.size();
    waiting_.pop_front();
    dropped = true;
  }
  if (dropped) Log(Log::kWarning, "redis_exchange_dropped").add("why", "Redis has been away for too long");
  pump();
}

// They are written later, and nobody waits for that.
void RedisConversations::onDown() {
  sent_ = 0;
  for (Waiting& one : waiting_) tell(&one);
}

void RedisConversations::tell(Waiting* one) { node_->tell(one->loop, std::exchange(one->done, nullptr)); }

void RedisConversations::pump() {
  while (node_->isUp() && sent_ < waiting_.size() && sent_ < kMaxSent) {
    const Waiting& next = waiting_[sent_];
    const Store::Limits& limits = node_->limits();
    const std::string answer = next.exchange.isUnread ? AnswerId{next.scope, next.exchange.requestId}.key() : "";
    const bool isSent = node_->run(
        RedisScripts::addExchange,
        {next.scope.key(), exchangeToJson(next.exchange), next.exchange.requestId, next.replaces,
         std::to_string(limits.turns / 2), std::to_string(limits.bytes),
         std::to_string(static_cast<std::int64_t>(node_->options().conversationSeconds)), answer},
        [this, number = next.number](const RedisValue& reply) {
          if (reply.isLost()) return;  // once more when Redis is back
          if (reply.isError()) {
            node_->countError("addExchange", reply);
            if (node_->isAway(reply)) return;
          }
          // The first one, but where Redis had forgotten the script.
          const auto written = std::find_if(waiting_.begin(), waiting_.end(),
                                            [number](const Waiting& one) { return one.number == number; });
          tell(&*written);
          bytes_ -= written->exchange.size();
          waiting_.erase(written);
          --sent_;
          pump();
        });
    if (!isSent) return;
    ++sent_;
  }
}

}  // namespace ai_chat
