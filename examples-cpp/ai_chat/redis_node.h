// This node's place in Redis: two connections (commands; subscriptions), the heartbeat, and whether all of that works.
// The parts of RedisStore work through it.
#ifndef AI_CHAT_REDIS_NODE_H
#define AI_CHAT_REDIS_NODE_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>
#include <muduo/net/EventLoop.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redis_channels.h"
#include "redis_connection.h"
#include "redis_scripts.h"
#include "store.h"

namespace ai_chat {

class ChatMetrics;

struct RedisOptions {
  RedisAddress address;
  std::string prefix = "ai_chat:";  // of all keys and channels
  std::string node;                 // name of this node
  double heartbeat = 1;             // seconds
  double nodeLost = 5;              // a node without a heartbeat for so long is gone
  double patience = 3;              // for Redis; then the connection is given up
  double conversationSeconds = 7 * 24 * 3600;  // kept since the last exchange
  double roomSeconds = 30 * 24 * 3600;         // the same of posts
  double dedupeSeconds = 24 * 3600;            // a message is known again for so long
};

// Everything in the loop's thread, destruction as that of RedisConnection.
class RedisNode : muduo::noncopyable {
 public:
  using Loop = muduo::net::EventLoop;
  using Done = RedisConnection::Done;
  struct Callbacks {
    std::function<std::vector<std::string>()> holdings;  // what this node holds, see redis_scripts.h
    std::function<void()> onUp;                          // Redis has the holdings, and everything works
    std::function<void()> onDown;
    std::function<void()> onForgotten;                   // Redis did not know this node; it has the holdings again
    std::function<void()> onTick;                        // each heartbeat, up or down
    std::function<void(std::string_view)> onAsked;       // on this node's channel
  };

  RedisNode(Loop* loop, const RedisOptions& options, const Store::Limits& limits, ChatMetrics* metrics,
            Callbacks callbacks);
  ~RedisNode();

  void start();
  // tell() does nothing any more.
  void mute() { isMuted_ = true; }
  // Gone from what the others see, then disconnected.
  void leave(std::function<void()> done);

  const RedisOptions& options() const { return options_; }
  const Store::Limits& limits() const { return limits_; }
  Loop* loop() const { return loop_; }
  const std::string& id() const { return id_; }  // another one after each start
  bool isUp() const { return isUp_; }
  // For so long that a node that is alive has been heard of.
  bool isSettled() const;

  // False when Redis is away, or too much is under way; `done` is not called then. `words` are ARGV.
  bool run(const RedisScript& script, const std::vector<std::string_view>& words, Done done);
  bool command(const std::vector<std::string_view>& words, Done done);
  std::string key(std::string_view name) const { return options_.prefix + std::string(name); }
  std::string key(std::string_view kind, std::string_view name) const {
    return options_.prefix + std::string(kind) + std::string(name);
  }

  // Channels are named as keys are.
  RedisChannels& channels() { return channels_; }

  // `f` in a caller's loop, unless the store has stopped.
  template <typename F, typename... Values>
  void tell(Loop* loop, F&& done, const Values&... values) {
    if (isMuted_ || !done) return;
    loop->queueInLoop([done = std::forward<F>(done), values...] { done(values...); });
  }

  std::size_t pending() const { return commands_.pending(); }
  void countError(std::string_view what, const RedisValue& reply);
  // It is there but cannot serve (full, a replica, loading). Then the connection is given up, as if it were away.
  bool isAway(const RedisValue& reply);

 private:
  void onCommandsUp();
  void onSubscriptionsReady();
  void beat();
  void tick();
  void mayBeUp();
  void fail(const char* which, const std::string& why);
  void repeat();

  Loop* const loop_;
  const RedisOptions options_;
  const Store::Limits limits_;
  ChatMetrics* const metrics_;
  const Callbacks callbacks_;
  const std::string id_;
  std::shared_ptr<RedisNode*> alive_;
  RedisConnection commands_;
  RedisConnection subscriptions_;
  RedisChannels channels_;
  bool isUp_ = false;
  bool isMuted_ = false;
  bool isLeaving_ = false;
  bool hasHoldings_ = false;  // Redis has them
  bool hears_ = false;        // the subscription to this node's own channel
  bool wasUp_ = false;
  bool complained_ = false;   // one line for each time that Redis goes away
  bool beats_ = false;        // a heartbeat is under way
  muduo::Timestamp beatAt_;   // when it was sent
  muduo::Timestamp heardAt_;  // when the last one came back over the subscription
  muduo::Timestamp upSince_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_NODE_H
