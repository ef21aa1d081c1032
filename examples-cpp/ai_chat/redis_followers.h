// Answers that other nodes make, read from Redis: what is there, and what comes by the answer's channel. Where the
// channel leaves a gap, and when nothing comes for a while, the rest is read from Redis.
#ifndef AI_CHAT_REDIS_FOLLOWERS_H
#define AI_CHAT_REDIS_FOLLOWERS_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "answer_log.h"
#include "redis_node.h"
#include "store.h"

namespace ai_chat {

class RedisFollowers : muduo::noncopyable {
 public:
  using Loop = Store::Loop;
  using Found = Store::Found;

  explicit RedisFollowers(RedisNode* node) : node_(node) {}

  void follow(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Found)> done);
  void onUp();
  void onDown();
  void onTick();
  std::size_t size() const { return channels_.size(); }

 private:
  struct Follower {
    std::weak_ptr<AnswerLog> log;
    std::function<void(Found)> found;  // until it has been told
    Loop* loop = nullptr;              // for that
    bool isReading = false;
    bool readsAgain = false;           // something came meanwhile that did not fit
    int misses = 0;                    // times in a row that Redis had nothing of it, or nothing that goes on
    muduo::Timestamp newsAt;
    bool isOver = false;
    std::string maker;  // the owner that the answer had at first
  };
  using FollowerPtr = std::shared_ptr<Follower>;
  using Followers = std::vector<FollowerPtr>;  // of one answer: as a rule one

  void onText(const std::string& key, std::string_view text);
  void read(const std::string& key, const FollowerPtr& follower);
  void onRead(const std::string& key, const FollowerPtr& follower, const RedisValue& reply);
  void onMissing(const FollowerPtr& follower);
  void endLost(const FollowerPtr& follower);
  void lose(const std::string& key, const FollowerPtr& follower, const std::string& owner);
  void tell(const FollowerPtr& follower, Found found);
  void sweep(const std::string& key);

  RedisNode* const node_;
  std::unordered_map<std::string, Followers> channels_;  // by AnswerId::key()
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_FOLLOWERS_H
