// A Redis server and nodes of a chat, for tests.
#ifndef AI_CHAT_TESTS_REDIS_SUPPORT_H
#define AI_CHAT_TESTS_REDIS_SUPPORT_H

#include <gtest/gtest.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/EventLoopThread.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ai_chat/chat_metrics.h"
#include "ai_chat/redis_store.h"

namespace ai_chat {

// Until it is true, or for `seconds`.
bool waitFor(const std::function<bool()>& condition, double seconds = 20);

// On a free port of 127.0.0.1, with its files in a folder of its own. Ends with the object.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> arguments = {"--appendonly", "yes", "--appendfsync", "always"});
  ~RedisServer();

  std::uint16_t port() const { return port_; }
  RedisAddress address() const;

  void start();   // once more, with what it has on disk
  void kill();
  void stopTime(bool stopped);
  // In its own connection; what comes back as text, arrays on one line with blanks in between.
  std::string ask(const std::vector<std::string>& words) const;

 private:
  void end(int signal);

  std::vector<std::string> arguments_;
  std::string folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
};

// One node: a RedisStore in a loop of its own, and what it told.
class Node : public Store::Events {
 public:
  explicit Node(const RedisServer& redis, const std::function<void(RedisOptions*, Store::Limits*)>& adjust = nullptr);
  ~Node() override;

  void die();   // as a process that is killed
  bool stop(double seconds = 5);
  RedisStore* operator->() { return store_.get(); }
  Store::Loop* loop() { return caller_; }  // for callbacks
  Store::Loop* storeLoop() { return loop_; }
  ChatMetrics& metrics() { return metrics_; }
  bool waitUntil(bool degraded) {
    return waitFor([&] { return store_->degraded() == degraded; });
  }
  // Everything that was called before has been done in the loop.
  void settle();

  Store::Claim claim(const std::shared_ptr<AnswerLog>& log);
  Store::Found follow(const std::shared_ptr<AnswerLog>& log);
  std::vector<Exchange> history(const Scope& scope);
  void add(const Scope& scope, const Exchange& exchange, const std::string& replaces = "",
           const std::function<void()>& done = [] {}) {
    store_->addExchange(scope, exchange, replaces, caller_, done);
  }
  Store::Status login(const std::string& user, const std::string& token);
  std::pair<Store::Status, std::vector<Post>> inbox(const std::string& user);
  Store::Sent send(const Post& post);
  std::pair<Store::Status, RoomState> join(const std::string& room, const std::string& user);
  std::pair<Store::Status, RoomState> look(const std::string& room);

  // "direct TEXT", "post TEXT", "+USER ROOM", "-USER ROOM", "answer ID ROOM", "stop ID", "degraded", "back".
  std::vector<std::string> events();
  bool heard(const std::string& event, double seconds = 20);
  std::size_t count(const std::string& event);

 private:
  void onDirect(const Post& post) override { note("direct " + post.text); }
  void onRoomPost(const Post& post) override { note("post " + post.text); }
  void onPresence(const std::string& room, const std::string& user, bool online) override {
    note((online ? "+" : "-") + user + " " + room);
  }
  void onRoomAnswer(const std::string& room, const std::string& id) override { note("answer " + id + " " + room); }
  void onStop(const AnswerId& id) override { note("stop " + id.requestId); }
  void onDegraded(bool degraded) override { note(degraded ? "degraded" : "back"); }
  void note(const std::string& event);

  // What `call` gives to its callback.
  template <typename Value>
  Value get(const std::function<void(std::function<void(Value)>)>& call) {
    const auto promise = std::make_shared<std::promise<Value>>();
    std::future<Value> future = promise->get_future();
    call([promise](Value value) { promise->set_value(std::move(value)); });
    if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
      ADD_FAILURE() << "the store does not answer";
      return Value();
    }
    return future.get();
  }

  muduo::net::EventLoopThread thread_;
  muduo::net::EventLoopThread callerThread_;
  Store::Loop* loop_;
  Store::Loop* caller_;
  ChatMetrics metrics_;
  std::unique_ptr<RedisStore> store_;
  std::mutex mutex_;
  std::vector<std::string> events_;
};

// One server for the tests of a suite; it is emptied before each.
class RedisTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { redis_ = new RedisServer; }
  static void TearDownTestSuite() {
    delete redis_;
    redis_ = nullptr;
  }
  void SetUp() override { redis_->ask({"FLUSHALL"}); }

  static std::unique_ptr<Node> node(const std::function<void(RedisOptions*, Store::Limits*)>& adjust = nullptr) {
    auto made = std::make_unique<Node>(*redis_, adjust);
    EXPECT_TRUE(made->waitUntil(/*degraded=*/false));
    return made;
  }

  static RedisServer* redis_;
};

std::shared_ptr<AnswerLog> newLog(const std::string& requestId, const Scope& scope = Scope::session("session"));
// Appends the messages `first` to `last`; the last one is the end if `done`.
void write(AnswerLog* log, std::uint64_t first, std::uint64_t last, bool done = false);
// All messages of a log behind `after`, one a line, "!" before the end.
std::string textOf(const std::shared_ptr<AnswerLog>& log, std::uint64_t after = 0);
std::string expected(std::uint64_t first, std::uint64_t last, bool done);

}  // namespace ai_chat

#endif  // AI_CHAT_TESTS_REDIS_SUPPORT_H
