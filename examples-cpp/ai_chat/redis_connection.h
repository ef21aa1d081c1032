// One connection to Redis inside a muduo::net::EventLoop: hiredis' socket is a Channel. It connects again, with
// jittered pauses, until it is closed.
//
// Each command's callback is called exactly once: with the reply, or with a lost value when the connection went first;
// all of them before onDown(), and that before the next onUp().
#ifndef AI_CHAT_REDIS_CONNECTION_H
#define AI_CHAT_REDIS_CONNECTION_H

#include <muduo/base/noncopyable.h>
#include <muduo/net/EventLoop.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redis_value.h"

struct redisAsyncContext;

namespace ai_chat {

struct RedisAddress {
  std::string host = "127.0.0.1";  // or a name, looked up each time
  std::uint16_t port = 6379;
  std::string username;  // with `password`; empty: the default user
  std::string password;  // empty: no AUTH
};

// Everything in the loop's thread. To be destroyed in a functor of the loop or when that does not run any more, not in
// one of its own callbacks; callbacks that are due are then dropped.
class RedisConnection : muduo::noncopyable {
 public:
  using Done = std::function<void(const RedisValue&)>;
  struct Callbacks {
    std::function<void()> onUp;                       // commands are taken now
    std::function<void(const std::string& why)> onDown;  // of one that was up, or could not come up
    std::function<void(const RedisValue&)> onPush;    // what comes for a subscription: [kind, channel, text or count]
  };

  // `name` is what CLIENT LIST shows.
  RedisConnection(muduo::net::EventLoop* loop, const RedisAddress& address, const std::string& name,
                  const Callbacks& callbacks);
  ~RedisConnection();

  void start();
  bool isUp() const { return isUp_; }

  // False when it is not up, or too much is under way; nothing is called then.
  bool command(const std::vector<std::string_view>& words, Done done);
  // Without a reply: SUBSCRIBE and UNSUBSCRIBE.
  bool push(const std::vector<std::string_view>& words);

  // For a connection that does not answer any more: it is lost, and made anew.
  void drop(const std::string& why);
  // Connects no more. What is under way still gets its replies; `done` comes last.
  void quit(std::function<void()> done);

  std::size_t pending() const { return pending_; }  // commands without a reply
  std::size_t pendingBytes() const { return pendingBytes_; }

 private:
  struct Link;     // what hiredis points to
  struct Pending;  // one command

  void connect();
  void open(const std::string& ip);
  void greet();
  void isReady();
  void isGone(const std::string& why);
  void later(double seconds, std::function<void()> action);
  bool send(const std::vector<std::string_view>& words, Done done);

  static void onReply(redisAsyncContext* context, void* reply, void* pending);
  static void onPush(redisAsyncContext* context, void* reply, void* data);

  muduo::net::EventLoop* const loop_;
  const RedisAddress address_;
  const std::string name_;
  const Callbacks callbacks_;
  std::shared_ptr<RedisConnection*> alive_;  // what waits in the loop holds a weak pointer
  std::shared_ptr<void> lookup_;
  Link* link_ = nullptr;                     // hiredis frees it
  std::string why_;                          // it is being dropped
  bool isUp_ = false;
  bool isClosing_ = false;
  std::function<void()> closed_;
  double pause_ = 0;
  std::uint64_t attempt_ = 0;
  std::size_t pending_ = 0;
  std::size_t pendingBytes_ = 0;
  std::string clientId_;    // Redis' names for this connection
  std::string clientAddr_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_CONNECTION_H
