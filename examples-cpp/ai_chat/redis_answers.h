// The answers that this node makes, copied to Redis: one reader for each log, which sends what there is in batches, one
// batch of an answer at a time. So a slow Redis makes batches larger, not our memory.
#ifndef AI_CHAT_REDIS_ANSWERS_H
#define AI_CHAT_REDIS_ANSWERS_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "answer_log.h"
#include "redis_node.h"
#include "store.h"

namespace ai_chat {

// An answer whose node is gone ends with these messages; between the pieces stands the seq. The whole ones have none.
struct NodeLost {
  explicit NodeLost(const std::string& requestId);
  std::string errorHead, errorTail, endHead, endTail;
  std::string error, end;
};

// The reverse of AnswerId::key(). False when it is none.
bool answerFromKey(std::string_view key, AnswerId* id);

class RedisAnswers : muduo::noncopyable {
 public:
  using Loop = Store::Loop;
  using Claim = Store::Claim;

  explicit RedisAnswers(RedisNode* node);
  ~RedisAnswers();

  void claim(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Claim)> done);
  void announce(const std::string& room, const std::shared_ptr<AnswerLog>& log);
  bool makes(const AnswerId& id) const { return copies_.count(id.key()) != 0; }

  void onUp();
  void onDown();
  void onTick();
  void onForgotten();  // Redis has lost everything, or the others took this node for dead
  // Everything that has been appended so far is in Redis.
  bool isWritten() const;
  std::size_t size() const { return copies_.size(); }

 private:
  class Copy;
  using CopyPtr = std::shared_ptr<Copy>;

  void claimAtRedis(const CopyPtr& copy);
  void onClaimed(const CopyPtr& copy, const RedisValue& reply);
  void announceAtRedis(const CopyPtr& copy);
  void pump(const CopyPtr& copy);
  void send(const CopyPtr& copy);
  void onAppended(const CopyPtr& copy, const RedisValue& reply);
  void pumpWaiting();
  void forget(const CopyPtr& copy);
  void giveUp(const CopyPtr& copy);
  void loseAbandoned();
  void askWhoReads();

  RedisNode* const node_;
  const std::shared_ptr<RedisAnswers*> alive_;  // readers in other threads hold a weak pointer
  std::unordered_map<std::string, CopyPtr> copies_;  // by AnswerId::key()
  std::deque<std::weak_ptr<Copy>> waiting_;  // have something to send; too much is under way
  std::size_t sentBytes_ = 0;                // under way
  std::uint64_t claims_ = 0;
  struct Abandoned {
    AnswerId id;
    std::string owner;
  };
  std::deque<Abandoned> abandoned_;  // were not written while Redis was away: it has a part of them
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_ANSWERS_H
