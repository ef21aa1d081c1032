// RedisStore when Redis, or a node, fails: nothing that was acknowledged is lost or doubled, and everything comes back.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "ai_chat/log.h"
#include "ai_chat/redis_store.h"
#include "redis_support.h"

namespace ai_chat {
namespace {

using Claim = Store::Claim;
using Found = Store::Found;
using Status = Store::Status;

std::unique_ptr<Node> nodeOf(const RedisServer& redis,
                             const std::function<void(RedisOptions*, Store::Limits*)>& adjust = nullptr) {
  auto made = std::make_unique<Node>(redis, adjust);
  EXPECT_TRUE(made->waitUntil(/*degraded=*/false));
  return made;
}

Exchange exchange(int number) {
  const std::string text = std::to_string(number);
  return {"r" + text, "q" + text, "a" + text, "stop"};
}

std::string text(const std::vector<Exchange>& exchanges) {
  std::string all;
  for (const Exchange& one : exchanges) all += one.question + " ";
  return all;
}

Post direct(const std::string& id, const std::string& words) {
  Post post;
  post.from = "ann";
  post.to = "ben";
  post.id = id;
  post.text = words;
  return post;
}

std::string texts(const std::vector<Post>& posts) {
  std::string all;
  for (const Post& post : posts) all += post.text + " ";
  return all;
}

std::size_t residentBytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

TEST(RedisFailureTest, WithoutRedisWhatMemoryCanDoGoesOn) {
  RedisServer redis;
  redis.kill();
  Node node(redis);
  const Scope scope = Scope::session("s");
  EXPECT_TRUE(node->degraded());
  EXPECT_EQ(node.claim(newLog("r")), Claim::kOurs);
  EXPECT_EQ(node.follow(newLog("r2")), Found::kUnavailable);
  node.add(scope, exchange(1));
  EXPECT_EQ(text(node.history(scope)), "q1 ");
  EXPECT_EQ(node.login("ann", "0123456789abcdef"), Status::kUnavailable);
  EXPECT_EQ(node.send(direct("1", "hello")).status, Status::kUnavailable);
  EXPECT_EQ(node.inbox("ann").first, Status::kUnavailable);
  EXPECT_EQ(node.join("room", "ann").first, Status::kUnavailable);
  EXPECT_EQ(node.look("room").first, Status::kUnavailable);
  EXPECT_TRUE(node.metrics().storeDegraded);
  redis.start();
  EXPECT_TRUE(node.heard("back"));
  EXPECT_EQ(text(nodeOf(redis)->history(scope)), "q1 ");
}

TEST(RedisFailureTest, RedisIsKilledInMidAnswer) {
  RedisServer redis;
  const auto one = nodeOf(redis);
  const auto other = nodeOf(redis);
  const Scope scope = Scope::session("s");
  const auto log = newLog("r");
  ASSERT_EQ(one->claim(log), Claim::kOurs);
  const auto copy = newLog("r");
  ASSERT_EQ(other->follow(copy), Found::kFound);
  one->login("ben", "0123456789abcdef");
  (*other)->setOnline("ben", true);
  one->join("room", "ann");
  other->join("room", "ben");

  std::atomic<bool> ends{false};
  std::uint64_t seq = 0;
  std::thread model([&] {
    while (!ends) {
      write(log.get(), seq + 1, seq + 3);
      seq += 3;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  std::vector<std::string> acknowledged;
  int number = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) {
      // A client sends until it is acknowledged.
      const std::string words = "w" + std::to_string(++number);
      if (i == 10) redis.kill();
      one->add(scope, exchange(number));
      if (i == 10) {
        EXPECT_TRUE(one->waitUntil(true));
        EXPECT_TRUE(other->waitUntil(true));
        EXPECT_EQ(one->send(direct(words, words)).status, Status::kUnavailable);
        redis.start();
      }
      ASSERT_TRUE(waitFor([&] { return one->send(direct(words, words)).status == Status::kOk; }));
      acknowledged.push_back(words);
    }
    EXPECT_TRUE(one->waitUntil(false));
    EXPECT_TRUE(other->waitUntil(false));
  }
  ends = true;
  model.join();
  write(log.get(), seq + 1, seq + 1, true);

  ASSERT_TRUE(waitFor([&] { return copy->done(); }));
  EXPECT_EQ(textOf(copy), expected(1, seq + 1, true));
  std::string all;
  for (const std::string& words : acknowledged) all += words + " ";
  EXPECT_EQ(texts(other->inbox("ben").second), all);
  // Those that came while nobody listened were read from the inbox; in order, and none twice.
  EXPECT_TRUE(other->heard("direct " + acknowledged.back()));
  std::string heard;
  for (const std::string& event : other->events()) {
    if (event.compare(0, 7, "direct ") == 0) heard += event.substr(7) + " ";
  }
  EXPECT_EQ(heard, all);
  std::string questions;
  for (int i = number - 19; i <= number; ++i) questions += "q" + std::to_string(i) + " ";
  EXPECT_EQ(text(nodeOf(redis)->history(scope)), questions);
  EXPECT_EQ(other->count("-ann room"), 0u) << "back in time: nobody was gone";
  EXPECT_EQ(one->metrics().storeReconnects, 3u);
}

TEST(RedisFailureTest, RoomsAreMadeUpForWhatWasMissed) {
  RedisServer redis;
  const auto patient = [](RedisOptions* options, Store::Limits*) { options->nodeLost = 30; };
  const auto one = nodeOf(redis, patient);
  const auto other = nodeOf(redis, patient);
  one->join("room", "ann");
  other->join("room", "ben");
  other->join("room", "cat");
  EXPECT_TRUE(one->heard("+cat room"));
  Post post;
  post.from = "ben";
  post.room = "room";
  post.text = "before";
  other->send(post);
  EXPECT_TRUE(one->heard("post before"));

  // The connection of `one` is cut; what happens until it is back is in Redis.
  std::atomic<bool> ends{false};
  std::thread talk([&] {
    for (int i = 1; !ends; ++i) {
      post.text = std::to_string(i);
      other->send(post);
    }
  });
  for (int i = 0; i < 5; ++i) {
    const auto back = one->count("back");
    redis.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
    EXPECT_TRUE(waitFor([&] { return one->count("back") > back; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ends = true;
  talk.join();
  (*other)->leave("room", "cat");
  EXPECT_TRUE(one->heard("-cat room"));
  EXPECT_TRUE(other->waitUntil(false));
  ASSERT_TRUE(waitFor([&] { post.text = "last"; return other->send(post).status == Status::kOk; }));
  EXPECT_TRUE(one->heard("post last"));

  std::vector<std::string> kept;
  for (const Post& seen : one->look("room").second.posts) kept.push_back("post " + seen.text);
  std::vector<std::string> heard;
  for (const std::string& event : one->events()) {
    if (event.compare(0, 5, "post ") == 0) heard.push_back(event);
  }
  ASSERT_GE(heard.size(), kept.size());
  EXPECT_EQ(std::vector<std::string>(heard.end() - static_cast<std::ptrdiff_t>(kept.size()), heard.end()), kept);
  int before = 0;
  for (const std::string& event : heard) {
    const int number = std::atoi(event.c_str() + 5);
    if (number == 0) continue;
    EXPECT_GT(number, before) << "in order, and none twice";
    before = number;
  }
}

TEST(RedisFailureTest, ARedisThatLostEverythingIsFilledAgain) {
  RedisServer redis;
  const auto one = nodeOf(redis);
  const auto other = nodeOf(redis);
  const auto log = newLog("r");
  one->claim(log);
  const auto copy = newLog("r");
  other->follow(copy);
  one->join("room", "ann");
  other->join("room", "ben");
  (*one)->setOnline("ann", true);
  write(log.get(), 1, 10);
  EXPECT_TRUE(waitFor([&] { return copy->last() == 10; }));
  redis.ask({"FLUSHALL"});
  redis.ask({"SCRIPT", "FLUSH"});
  write(log.get(), 11, 20);
  EXPECT_TRUE(waitFor([&] { return copy->last() == 20; }));
  EXPECT_TRUE(waitFor([&] { return other->look("room").second.members.size() == 2; }));
  EXPECT_TRUE(waitFor([&] { return redis.ask({"SCARD", "ai_chat:o:ann"}) == "1"; }));
  write(log.get(), 21, 30, true);
  EXPECT_TRUE(waitFor([&] { return copy->done(); }));
  const auto late = newLog("r");
  EXPECT_EQ(other->follow(late), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return late->done(); }));
  EXPECT_EQ(textOf(copy), expected(1, 30, true));
  EXPECT_EQ(textOf(late), expected(1, 30, true));
}

TEST(RedisFailureTest, ASlowRedisIsWaitedForInBoundedMemory) {
  RedisServer redis({"--save", ""});
  const auto patient = [](RedisOptions* options, Store::Limits*) {
    options->patience = 60;
    options->nodeLost = 60;
  };
  const auto one = nodeOf(redis, patient);
  const auto log = newLog("r");
  one->claim(log);
  redis.ask({"CLIENT", "PAUSE", "1000", "ALL"});
  const std::size_t before = residentBytes();
  const auto big = std::make_shared<const std::string>(std::string(1024 * 1024, 'x'));
  for (std::uint64_t seq = 1; seq <= 64; ++seq) log->append(seq, big, seq == 64);  // one string, 64 times
  one->settle();
  EXPECT_LT(residentBytes(), before + 16u * 1024 * 1024) << "the log has it, and nobody else";
  EXPECT_FALSE((*one)->degraded());
  EXPECT_TRUE(waitFor([&] { return redis.ask({"HGET", "ai_chat:a:" + log->id().key(), "done"}) == "1"; }, 60));
  EXPECT_EQ(redis.ask({"XLEN", "ai_chat:s:" + log->id().key()}), "64");
}

TEST(RedisFailureTest, ARedisThatHangsIsAwayUntilItAnswers) {
  RedisServer redis;
  const auto one = nodeOf(redis);
  const auto other = nodeOf(redis);
  const Scope scope = Scope::session("s");
  const auto log = newLog("r");
  one->claim(log);
  const auto copy = newLog("r");
  other->follow(copy);
  write(log.get(), 1, 5);
  EXPECT_TRUE(waitFor([&] { return copy->last() == 5; }));
  one->add(scope, exchange(0));
  one->history(scope);

  redis.stopTime(true);
  write(log.get(), 6, 10);
  for (int i = 1; i < 5; ++i) one->add(scope, exchange(i));
  EXPECT_EQ(one->send(direct("1", "hello")).status, Status::kUnavailable) << "within the time of patience";
  EXPECT_TRUE(one->waitUntil(true));
  EXPECT_EQ(text(one->history(scope)), "q0 q1 q2 q3 q4 ");
  write(log.get(), 11, 15);
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));  // every heartbeat is out of date

  redis.stopTime(false);
  EXPECT_TRUE(one->waitUntil(false));
  EXPECT_TRUE(other->waitUntil(false));
  write(log.get(), 16, 20, true);
  EXPECT_TRUE(waitFor([&] { return copy->done(); }));
  EXPECT_EQ(textOf(copy), expected(1, 20, true)) << "nobody was taken for dead";
  EXPECT_EQ(text(other->history(scope)), "q0 q1 q2 q3 q4 ");
}

TEST(RedisFailureTest, ARedisThatTakesNoWritesIsAway) {
  RedisServer redis({"--save", ""});
  const auto one = nodeOf(redis);
  redis.ask({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_TRUE(one->waitUntil(true));
  EXPECT_EQ(one->claim(newLog("r")), Claim::kOurs);
  one->add(Scope::session("s"), exchange(1));
  redis.ask({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(one->waitUntil(false));
  EXPECT_EQ(text(nodeOf(redis)->history(Scope::session("s"))), "q1 ");
}

TEST(RedisFailureTest, ANodeThatWasTakenForDeadDoesNotWriteBehindTheEnd) {
  RedisServer redis;
  // It keeps its connection, so nothing but Redis itself stops it.
  const auto one = nodeOf(redis, [](RedisOptions* options, Store::Limits*) { options->patience = 60; });
  const auto other = nodeOf(redis);
  one->join("room", "ann");
  other->join("room", "ben");
  const auto log = newLog("r");
  one->claim(log);
  write(log.get(), 1, 3);
  const auto copy = newLog("r");
  other->follow(copy);
  EXPECT_TRUE(waitFor([&] { return copy->last() == 3; }));

  // Its loop stands still for longer than a heartbeat lasts.
  std::promise<void> wake;
  one->storeLoop()->queueInLoop([&] { wake.get_future().wait(); });
  EXPECT_TRUE(waitFor([&] { return copy->done(); }));
  EXPECT_TRUE(other->heard("-ann room"));
  write(log.get(), 4, 10, true);
  wake.set_value();
  const Scope scope = log->id().scope;
  Exchange unread = exchange(1);
  unread.requestId = "r";
  unread.isUnread = true;
  one->add(scope, unread);
  one->add(scope, exchange(2));
  EXPECT_TRUE(other->heard("+ann room")) << "it is back";
  EXPECT_TRUE(one->waitUntil(false));
  one->history(Scope::session("s"));  // behind what it would write
  EXPECT_EQ(redis.ask({"XLEN", "ai_chat:s:" + log->id().key()}), "5");
  EXPECT_EQ(copy->last(), 5u);
  EXPECT_EQ(text(other->history(scope)), "q2 ") << "all who read the lost one were told to ask again";
  unread.isUnread = false;
  one->add(scope, unread);
  EXPECT_EQ(text(one->history(scope)), "q2 q1 ") << "who read it here has all of it";
  const auto late = newLog("r");
  EXPECT_EQ(other->follow(late), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return late->done(); }));
  EXPECT_EQ(textOf(late), textOf(copy));
  EXPECT_NE(textOf(late).find("node_lost"), std::string::npos);
  EXPECT_EQ(textOf(log), expected(1, 10, true)) << "who reads it there gets all of it";
}

TEST(RedisFailureTest, WhoIsBackFirstWaitsForTheOthers) {
  RedisServer redis;
  const auto slow = [](RedisOptions* options, Store::Limits*) { options->nodeLost = 2; };
  const auto one = nodeOf(redis, slow);
  const auto other = nodeOf(redis, slow);
  one->join("room", "ann");
  other->join("room", "ben");
  EXPECT_TRUE(one->heard("+ben room"));
  redis.kill();
  EXPECT_TRUE(one->waitUntil(true) && other->waitUntil(true));
  std::promise<void> wake;
  other->storeLoop()->queueInLoop([&] { wake.get_future().wait(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(2200));  // every heartbeat is out of date
  redis.start();
  EXPECT_TRUE(one->waitUntil(false));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  wake.set_value();
  EXPECT_TRUE(other->waitUntil(false));
  EXPECT_EQ(one->look("room").second.members.size(), 2u);
  EXPECT_EQ(one->count("-ben room"), 0u);
}

TEST(RedisFailureTest, AnswersThatEndedWithoutRedisComeLater) {
  RedisServer redis;
  const auto one = nodeOf(redis);
  redis.kill();
  EXPECT_TRUE(one->waitUntil(true));
  const auto log = newLog("r");
  EXPECT_EQ(one->claim(log), Claim::kOurs);
  write(log.get(), 1, 300, true);
  redis.start();
  EXPECT_TRUE(one->waitUntil(false));
  const auto other = nodeOf(redis);
  const auto copy = newLog("r");
  ASSERT_TRUE(waitFor([&] { return other->follow(copy) == Found::kFound; }));
  EXPECT_TRUE(waitFor([&] { return copy->done(); }));
  EXPECT_EQ(textOf(copy), expected(1, 300, true));
}

TEST(RedisFailureTest, TwoNodesThatMadeOneAnswerWithoutRedis) {
  RedisServer redis;
  const auto one = nodeOf(redis);
  const auto other = nodeOf(redis);
  redis.kill();
  EXPECT_TRUE(one->waitUntil(true) && other->waitUntil(true));
  const auto log = newLog("r");
  const auto log2 = newLog("r");
  EXPECT_EQ(one->claim(log), Claim::kOurs);
  EXPECT_EQ(other->claim(log2), Claim::kOurs);
  write(log.get(), 1, 10, true);
  write(log2.get(), 1, 20, true);
  redis.start();
  EXPECT_TRUE(one->waitUntil(false) && other->waitUntil(false));
  const auto copy = newLog("r");
  ASSERT_TRUE(waitFor([&] { return one->follow(copy) == Found::kFound; }));
  EXPECT_TRUE(waitFor([&] { return copy->done(); }));
  EXPECT_EQ(textOf(copy), expected(1, copy->last(), true)) << "one of them, whole";
}

TEST(RedisFailureTest, WhoFollowsOneTextGetsNothingOfAnother) {
  RedisServer redis;
  const auto patient = [](RedisOptions* options, Store::Limits*) { options->nodeLost = 30; };
  const auto one = nodeOf(redis, patient);
  const auto other = nodeOf(redis, patient);
  const auto third = nodeOf(redis, patient);
  const auto log = newLog("r");
  ASSERT_EQ(one->claim(log), Claim::kOurs);
  write(log.get(), 1, 5);
  const auto copy = newLog("r");
  ASSERT_EQ(third->follow(copy), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return copy->last() == 5; }));

  one->die();
  redis.ask({"FLUSHALL"});
  const auto log2 = newLog("r");
  ASSERT_EQ(other->claim(log2), Claim::kOurs);
  for (std::uint64_t seq = 1; seq <= 20; ++seq) {
    log2->append(seq, std::make_shared<const std::string>("another"), seq == 20);
  }
  ASSERT_TRUE(waitFor([&] { return copy->done(); }));
  EXPECT_EQ(copy->last(), 7u);
  EXPECT_EQ(textOf(copy).find("m1\nm2\nm3\nm4\nm5\n{\"type\":\"error\""), 0u) << textOf(copy);
  EXPECT_NE(textOf(copy).find("node_lost"), std::string::npos);
  const auto late = newLog("r");
  EXPECT_EQ(third->follow(late), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return late->done(); }));
  EXPECT_EQ(late->last(), 20u);
}

TEST(RedisFailureTest, ThePasswordIsUsedAndAWrongOneSaysSo) {
  RedisServer redis({"--save", ""});
  redis.ask({"CONFIG", "SET", "requirepass", "open sesame"});
  const auto with = [](const std::string& password) {
    return [password](RedisOptions* options, Store::Limits*) { options->address.password = password; };
  };
  const auto right = nodeOf(redis, with("open sesame"));
  Log::setUp(Log::kWarning, Log::Format::kText);
  testing::internal::CaptureStderr();
  {
    Node wrong(redis, with("wrong one"));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_TRUE(wrong->degraded());
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("AUTH was refused"), std::string::npos) << log;
  EXPECT_EQ(log.find("wrong one"), std::string::npos) << log;
  EXPECT_EQ(right->claim(newLog("r")), Claim::kOurs);
}

TEST(RedisFailureTest, AnExchangeIsThereForAllNodesWhenItsNodeSaysSo) {
  RedisServer redis;
  const auto one = nodeOf(redis);
  const auto two = nodeOf(redis);
  const Scope scope = Scope::session("s");
  std::atomic<int> written{0};
  const auto count = [&written] { ++written; };
  for (int i = 1; i <= 20; ++i) {
    if (i == 10) redis.ask({"SCRIPT", "FLUSH"});
    one->add(scope, exchange(i), "", count);
    ASSERT_TRUE(waitFor([&] { return written == i; }));
    ASSERT_EQ(two->history(scope).back().question, "q" + std::to_string(i));
  }
  redis.stopTime(true);
  one->add(scope, exchange(21), "", count);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(written, 20);
  redis.stopTime(false);
  EXPECT_TRUE(waitFor([&] { return written == 21; }));

  // Away: nobody waits for it, neither for what was sent already.
  redis.stopTime(true);
  one->add(scope, exchange(22), "", count);
  EXPECT_TRUE(waitFor([&] { return written == 22; }));
  EXPECT_TRUE(one->waitUntil(/*degraded=*/true));
  one->add(scope, exchange(23), "", count);
  EXPECT_TRUE(waitFor([&] { return written == 23; }));
  redis.stopTime(false);
  EXPECT_TRUE(waitFor([&] { return two->history(scope).back().question == "q23"; }));
  EXPECT_EQ(written, 23);
}

TEST(RedisFailureTest, StopDoesNotWaitForeverForRedis) {
  RedisServer redis;
  const auto one = nodeOf(redis);
  redis.stopTime(true);
  const auto log = newLog("r");
  (*one)->claim(log, one->loop(), [](Claim) { ADD_FAILURE() << "nothing is called any more"; });
  one->add(Scope::session("s"), exchange(1));
  EXPECT_TRUE(one->stop(0.3));
}

}  // namespace
}  // namespace ai_chat
