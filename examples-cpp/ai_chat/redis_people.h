// Names, who is online where, and direct messages, in Redis.
#ifndef AI_CHAT_REDIS_PEOPLE_H
#define AI_CHAT_REDIS_PEOPLE_H

#include <muduo/base/noncopyable.h>

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "redis_node.h"
#include "store.h"

namespace ai_chat {

class RedisPeople : muduo::noncopyable {
 public:
  using Loop = Store::Loop;
  using Status = Store::Status;
  using Sent = Store::Sent;
  using PostsDone = std::function<void(Status, std::vector<Post>)>;

  RedisPeople(RedisNode* node, Store::Events* events) : node_(node), events_(events) {}

  void login(const std::string& user, const std::string& tokenHash, bool isTrusted, Loop* loop,
             std::function<void(Status)> done);
  void setOnline(const std::string& user, bool online);
  void inbox(const std::string& user, Loop* loop, PostsDone done);
  void received(const std::string& user, const std::vector<std::string>& messageIds);
  void send(const Post& post, Loop* loop, std::function<void(Sent)> done);

  void addHoldings(std::vector<std::string>* holdings) const;
  void onDown();
  void onTick();

 private:
  // One who is online here.
  struct User {
    bool hears = false;          // the subscription stands
    bool missed = false;         // it did not, for a while: what waits in the inbox comes first
    bool isRefilling = false;    // from the inbox
    std::vector<Post> held;      // came meanwhile
    std::string last;            // messageId of the last one that came
    struct Waiting {
      Loop* loop;
      PostsDone done;
    };
    std::vector<Waiting> inboxes;  // asked for, once the subscription stands
  };

  void onHears(const std::string& user);
  void onText(const std::string& user, std::string_view text);
  void hear(User* state, const Post& post);
  void refill(const std::string& user);
  void readInbox(const std::string& user, Loop* loop, PostsDone done);

  RedisNode* const node_;
  Store::Events* const events_;
  std::unordered_map<std::string, User> online_;
  std::string lastDirect_;  // messageId
};

// The entries of a stream of posts: [id, ["p", JSON]].
std::vector<Post> postsFrom(const RedisValue& entries);
// Later than.
bool isBehind(const std::string& messageId, const std::string& other);

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_PEOPLE_H
