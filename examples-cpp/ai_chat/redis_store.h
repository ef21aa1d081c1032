// The store that several nodes share: one Redis server (with replicas, not Redis Cluster), two connections a node, both
// in the store's loop.
//
// While Redis is away the store is `degraded`: conversations come from memory, answers are made as before, and what
// needs the others is kUnavailable. What was added meanwhile is written when Redis is back. Nothing that was
// acknowledged is lost, as long as Redis itself loses nothing (appendonly).
#ifndef AI_CHAT_REDIS_STORE_H
#define AI_CHAT_REDIS_STORE_H

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "redis_node.h"
#include "store.h"

namespace ai_chat {

class ChatMetrics;

class RedisStore : public Store {
 public:
  RedisStore(const RedisOptions& options, const Limits& limits, ChatMetrics* metrics);
  // In the loop's thread: in a functor, or when the loop does not run any more. Without stop(), as if the process had
  // died.
  ~RedisStore() override;

  void start(Loop* loop, Events* events) override;
  void stop(double seconds, std::function<void()> done) override;
  const char* name() const override { return "redis"; }
  bool degraded() const override { return degraded_; }

  void history(const Scope& scope, Loop* loop, std::function<void(std::vector<Exchange>)> done) override;
  void addExchange(const Scope& scope, const Exchange& exchange, const std::string& replaces, Loop* loop,
                   std::function<void()> done) override;

  void claim(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Claim)> done) override;
  void follow(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Found)> done) override;
  void stopAnswer(const AnswerId& id) override;

  void login(const std::string& user, const std::string& token, Loop* loop, std::function<void(Status)> done) override;
  void admit(const std::string& user, Loop* loop, std::function<void(Status)> done) override;
  void setOnline(const std::string& user, bool online) override;
  void inbox(const std::string& user, Loop* loop, std::function<void(Status, std::vector<Post>)> done) override;
  void received(const std::string& user, const std::vector<std::string>& messageIds) override;
  void send(const Post& post, Loop* loop, std::function<void(Sent)> done) override;

  void join(const std::string& room, const std::string& user, Loop* loop,
            std::function<void(Status, RoomState)> done) override;
  void look(const std::string& room, Loop* loop, std::function<void(Status, RoomState)> done) override;
  void leave(const std::string& room, const std::string& user) override;
  void announce(const std::string& room, const std::shared_ptr<AnswerLog>& log) override;

 private:
  struct Parts;
  class Gate;

  RedisNode::Callbacks nodeCallbacks();
  void inLoop(std::function<void(Parts*)> action);
  void setDegraded(bool degraded);
  void onAsked(std::string_view text);
  void flush(double seconds, std::function<void()> done);

  const RedisOptions options_;
  const Limits limits_;
  ChatMetrics* const metrics_;
  Loop* loop_ = nullptr;
  std::atomic<bool> degraded_{true};  // until Redis has been reached
  bool isStopping_ = false;
  std::unique_ptr<Gate> events_;
  std::unique_ptr<Parts> parts_;
  std::shared_ptr<RedisStore*> alive_;  // what waits in the loop holds a weak pointer
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_STORE_H
