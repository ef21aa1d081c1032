// RedisStore with a real Redis and several nodes: conversations and answers.
#include "ai_chat/redis_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "redis_support.h"

namespace ai_chat {
namespace {

using Claim = Store::Claim;
using Found = Store::Found;

class RedisStoreTest : public RedisTest {};

std::string text(const std::vector<Exchange>& exchanges) {
  std::string all;
  for (const Exchange& one : exchanges) all += one.question + "=" + one.answer + "(" + one.finishReason + ") ";
  return all;
}

Exchange exchange(const std::string& requestId, const std::string& question, const std::string& answer) {
  return {requestId, question, answer, "stop"};
}

// ---- conversations ----

TEST_F(RedisStoreTest, AConversationIsSeenByAllNodesInItsOrder) {
  const auto one = node();
  const auto other = node();
  const Scope scope = Scope::session("s");
  EXPECT_EQ(text(one->history(scope)), "");
  for (int i = 0; i < 5; ++i) {
    const std::string number = std::to_string(i);
    one->add(scope, exchange("r" + number, "q" + number, "\u4f60\"\n" + number));
  }
  const std::string all =
      "q0=\u4f60\"\n0(stop) q1=\u4f60\"\n1(stop) q2=\u4f60\"\n2(stop) "
      "q3=\u4f60\"\n3(stop) q4=\u4f60\"\n4(stop) ";
  EXPECT_EQ(text(one->history(scope)), all);
  EXPECT_EQ(text(other->history(scope)), all);
  EXPECT_EQ(text(other->history(Scope::room("s"))), "") << "a room of that name is another conversation";
}

TEST_F(RedisStoreTest, ConversationsAreLimitedInTurnsAndBytes) {
  const auto few = node([](RedisOptions*, Store::Limits* limits) {
    limits->turns = 5;
    limits->bytes = 20;
  });
  const auto other = node();
  const Scope turns = Scope::session("turns");
  for (int i = 0; i < 4; ++i) {
    const std::string number = std::to_string(i);
    few->add(turns, exchange("r" + number, "q" + number, "a"));
  }
  EXPECT_EQ(text(few->history(turns)), "q2=a(stop) q3=a(stop) ");
  EXPECT_EQ(text(other->history(turns)), "q2=a(stop) q3=a(stop) ");
  const Scope bytes = Scope::session("bytes");
  few->add(bytes, exchange("r1", "12345", "12345"));
  few->add(bytes, exchange("r2", "123456", "12345"));
  EXPECT_EQ(text(few->history(bytes)), "123456=12345(stop) ");
  EXPECT_EQ(text(other->history(bytes)), "123456=12345(stop) ");
  few->add(bytes, exchange("r3", "123456789", "\u4f60\u4f60\u4f60\u4f60"));
  few->history(bytes);
  EXPECT_EQ(text(other->history(bytes)), "123456789=\u4f60\u4f60\u4f60(stop) ") << "cut between characters";
}

TEST_F(RedisStoreTest, AnAnswerMadeAgainReplacesTheOneItNames) {
  const auto one = node();
  const Scope scope = Scope::session("s");
  one->add(scope, exchange("r1", "q1", "a1"));
  one->add(scope, exchange("r2", "q2", "a2"));
  one->add(scope, exchange("r3", "q2 in other words", "again"), "r2");
  one->add(scope, exchange("r4", "q1", "not the last"), "r1");
  EXPECT_EQ(text(one->history(scope)), "q1=a1(stop) q2 in other words=again(stop) q1=not the last(stop) ");
  one->add(scope, exchange("r4", "q1", "not the last"));
  EXPECT_EQ(text(node()->history(scope)), "q1=a1(stop) q2 in other words=again(stop) q1=not the last(stop) ")
      << "written twice";
  EXPECT_EQ(redis_->ask({"TTL", "ai_chat:c:s:s"}), std::to_string(7 * 24 * 3600));
}

// ---- answers ----

TEST_F(RedisStoreTest, OneNodeGetsAnAnswer) {
  const auto one = node();
  const auto other = node();
  for (int i = 0; i < 50; ++i) {
    const std::string id = "r" + std::to_string(i);
    Claim claims[2];
    std::thread race([&] { claims[0] = one->claim(newLog(id)); });
    claims[1] = other->claim(newLog(id));
    race.join();
    EXPECT_NE(claims[0], claims[1]) << id;
  }
  EXPECT_EQ(other->claim(newLog("r0", Scope::room("session"))), Claim::kOurs) << "another scope, another answer";
}

TEST_F(RedisStoreTest, AnAnswerIsFollowedFromItsBeginningAndInMidAnswer) {
  const auto one = node();
  const auto other = node();
  const auto log = newLog("r");
  ASSERT_EQ(one->claim(log), Claim::kOurs);

  const auto early = newLog("r");
  ASSERT_EQ(other->follow(early), Found::kFound);
  write(log.get(), 1, 3);
  EXPECT_TRUE(waitFor([&] { return early->last() == 3; }));

  const auto middle = newLog("r");
  ASSERT_EQ(other->follow(middle), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return middle->last() == 3; }));
  write(log.get(), 4, 700, true);
  EXPECT_TRUE(waitFor([&] { return early->done() && middle->done(); }));
  EXPECT_EQ(textOf(early), expected(1, 700, true));
  EXPECT_EQ(textOf(middle), expected(1, 700, true));

  // It is over, and kept.
  EXPECT_EQ(other->claim(newLog("r")), Claim::kTheirs);
  const auto late = newLog("r");
  ASSERT_EQ(other->follow(late), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return late->done(); }));
  EXPECT_EQ(textOf(late), expected(1, 700, true));
  for (std::uint64_t after = 0; after < 700; after += 99) {
    EXPECT_EQ(textOf(late, after), expected(after + 1, 700, true));
  }
}

TEST_F(RedisStoreTest, AnAnswerThatIsNotKeptIsUnknown) {
  const auto one = node([](RedisOptions*, Store::Limits* limits) { limits->answerSeconds = 1; });
  const auto other = node();
  EXPECT_EQ(other->follow(newLog("nobody's")), Found::kUnknown);
  const auto log = newLog("r");
  one->claim(log);
  write(log.get(), 1, 2, true);
  const auto copy = newLog("r");
  EXPECT_EQ(other->follow(copy), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return copy->done(); }));
  EXPECT_TRUE(waitFor([&] { return other->follow(newLog("r")) == Found::kUnknown; }, 5));
  EXPECT_EQ(other->claim(newLog("r")), Claim::kOurs);
}

TEST_F(RedisStoreTest, StatusesPassByAndStopsGoToTheNodeThatMakesIt) {
  struct Listener : AnswerLog::Reader {
    void onMore() override {}
    void onStatus(const AnswerLog::Message& json) override {
      const std::lock_guard<std::mutex> lock(mutex);
      seen += *json;
    }
    std::string all() {
      const std::lock_guard<std::mutex> lock(mutex);
      return seen;
    }
    std::mutex mutex;
    std::string seen;
  };
  const auto one = node();
  const auto other = node();
  const auto log = newLog("r", Scope::room("a room: with\xc3\xa4"));
  one->claim(log);
  const auto copy = newLog("r", log->id().scope);
  const auto listener = std::make_shared<Listener>();
  copy->addReader(listener, 0);
  ASSERT_EQ(other->follow(copy), Found::kFound);
  log->status(std::make_shared<const std::string>("{\"thinking\":true}"));
  EXPECT_TRUE(waitFor([&] { return listener->all() == "{\"thinking\":true}"; }));

  (*other)->stopAnswer(log->id());
  EXPECT_TRUE(one->heard("stop r"));
  (*one)->stopAnswer(log->id());
  EXPECT_TRUE(waitFor([&] { return one->count("stop r") == 2; }));
  EXPECT_EQ(other->count("stop r"), 0u);
}

TEST_F(RedisStoreTest, TheNodeThatMakesAnAnswerKnowsThatOthersReadIt) {
  const auto one = node();
  const auto other = node();
  const auto log = newLog("r");
  one->claim(log);
  const auto unread = newLog("unread");
  one->claim(unread);
  auto copy = newLog("r");
  other->follow(copy);
  EXPECT_TRUE(waitFor([&] { return log->isReadElsewhere(); }));
  copy.reset();
  EXPECT_TRUE(waitFor([&] { return !log->isReadElsewhere(); }));
  EXPECT_FALSE(unread->isReadElsewhere());
}

TEST_F(RedisStoreTest, WhoNobodyReadsIsNotFollowed) {
  const auto one = node();
  const auto other = node();
  const auto log = newLog("r");
  one->claim(log);
  auto copy = newLog("r");
  other->follow(copy);
  const std::string channel = "ai_chat:a:" + log->id().key();
  EXPECT_EQ(redis_->ask({"PUBSUB", "NUMSUB", channel}), channel + " 1");
  copy.reset();
  EXPECT_TRUE(waitFor([&] { return redis_->ask({"PUBSUB", "NUMSUB", channel}) == channel + " 0"; }));
}

TEST_F(RedisStoreTest, ANodeThatDiesLeavesAnErrorAndTheEnd) {
  const auto one = node();
  const auto other = node();
  const auto third = node();
  const auto log = newLog("r \"1\"");
  one->claim(log);
  write(log.get(), 1, 3);
  const auto copy = newLog("r \"1\"");
  const auto copy2 = newLog("r \"1\"");
  ASSERT_EQ(other->follow(copy), Found::kFound);
  ASSERT_EQ(third->follow(copy2), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return copy->last() == 3; }));
  one->die();
  ASSERT_TRUE(waitFor([&] { return copy->done() && copy2->done(); }));
  const std::string lost =
      "m1\nm2\nm3\n"
      "{\"type\":\"error\",\"requestId\":\"r \\\"1\\\"\",\"seq\":4,\"code\":\"node_lost\",\"message\":\"The server "
      "that made this answer is gone. Ask again.\",\"retryable\":true}\n"
      "!{\"type\":\"stream\",\"requestId\":\"r \\\"1\\\"\",\"seq\":5,\"content\":\"\",\"done\":true,"
      "\"finish_reason\":\"error\"}\n";
  EXPECT_EQ(textOf(copy), lost);
  EXPECT_EQ(textOf(copy2), lost);
  const auto late = newLog("r \"1\"");
  EXPECT_EQ(third->follow(late), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return late->done(); }));
  EXPECT_EQ(textOf(late), lost);
}

TEST_F(RedisStoreTest, TenThousandAnswers) {
  const auto patient = [](RedisOptions* options, Store::Limits*) {
    options->nodeLost = 30;
    options->patience = 30;
  };
  const auto one = node(patient);
  const auto other = node(patient);
  const int count = 10000;
  std::vector<std::shared_ptr<AnswerLog>> logs;
  std::vector<std::shared_ptr<AnswerLog>> copies;
  std::atomic<int> ours{0};
  std::atomic<int> found{0};
  for (int i = 0; i < count; ++i) {
    logs.push_back(newLog("r" + std::to_string(i)));
    (*one)->claim(logs.back(), one->loop(), [&](Claim claim) { ours += claim == Claim::kOurs; });
  }
  ASSERT_TRUE(waitFor([&] { return ours == count; }, 60));
  for (int i = 0; i < count; ++i) {
    copies.push_back(newLog("r" + std::to_string(i)));
    (*other)->follow(copies.back(), other->loop(), [&](Found result) { found += result == Found::kFound; });
  }
  for (const auto& log : logs) write(log.get(), 1, 5);
  ASSERT_TRUE(waitFor([&] { return found == count; }, 60));
  for (const auto& log : logs) write(log.get(), 6, 10, true);
  for (const auto& copy : copies) {
    ASSERT_TRUE(waitFor([&] { return copy->done(); }, 60));
    ASSERT_EQ(textOf(copy), expected(1, 10, true));
  }
}

TEST_F(RedisStoreTest, StopWritesWhatWasAppendedAndLeaves) {
  const auto one = node();
  const auto other = node();
  const auto log = newLog("r");
  one->claim(log);
  (*one)->setOnline("ann", true);
  one->join("room", "ann");
  other->join("room", "ben");
  one->add(Scope::session("s"), exchange("r", "q", "a"));
  write(log.get(), 1, 500, true);
  EXPECT_TRUE(one->stop());
  EXPECT_TRUE(other->heard("-ann room"));
  const auto copy = newLog("r");
  ASSERT_EQ(other->follow(copy), Found::kFound);
  EXPECT_TRUE(waitFor([&] { return copy->done(); }));
  EXPECT_EQ(textOf(copy), expected(1, 500, true));
  EXPECT_EQ(text(other->history(Scope::session("s"))), "q=a(stop) ");
  EXPECT_EQ(redis_->ask({"SCARD", "ai_chat:nodes"}), "1");
  EXPECT_EQ(redis_->ask({"EXISTS", "ai_chat:o:ann"}), "0");
}

}  // namespace
}  // namespace ai_chat
