// RedisStore with a real Redis and several nodes: names, direct messages, rooms.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ai_chat/redis_store.h"
#include "redis_support.h"

namespace ai_chat {
namespace {

using Status = Store::Status;

class RedisPeopleTest : public RedisTest {};

Post direct(const std::string& from, const std::string& to, const std::string& id, const std::string& text) {
  Post post;
  post.from = from;
  post.to = to;
  post.id = id;
  post.text = text;
  return post;
}

Post inRoom(const std::string& from, const std::string& room, const std::string& id, const std::string& text) {
  Post post = direct(from, "", id, text);
  post.room = room;
  return post;
}

std::string texts(const std::vector<Post>& posts) {
  std::string all;
  for (const Post& post : posts) all += post.from + ":" + post.text + " ";
  return all;
}

std::string names(const std::vector<std::string>& members) {
  std::string all;
  for (const std::string& name : members) all += name + " ";
  return all;
}

const char kToken[] = "0123456789abcdef";

TEST_F(RedisPeopleTest, TheFirstLoginOfANameDecidesOnItsToken) {
  const auto one = node();
  const auto other = node();
  EXPECT_EQ(one->login("ann", kToken), Status::kOk);
  EXPECT_EQ(other->login("ann", kToken), Status::kOk);
  EXPECT_EQ(other->login("ann", "another token....."), Status::kWrongToken);
  EXPECT_EQ(redis_->ask({"HGET", "ai_chat:users", "ann"}),
            "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f");
  (*one)->admit("ben", one->loop(), [](Status status) { EXPECT_EQ(status, Status::kOk); });
  EXPECT_EQ(one->login("ben", kToken), Status::kWrongToken) << "a name that a proxy vouches for";
}

TEST_F(RedisPeopleTest, ADirectMessageReachesItsReaderOnAnyNodeOnce) {
  const auto one = node();
  const auto other = node();
  EXPECT_EQ(one->send(direct("ann", "ben", "1", "to nobody")).status, Status::kNotFound);
  one->login("ann", kToken);
  other->login("ben", kToken);
  (*one)->setOnline("ann", true);
  (*other)->setOnline("ben", true);
  EXPECT_EQ(one->inbox("ann").second.size(), 0u);
  EXPECT_EQ(texts(other->inbox("ben").second), "");
  EXPECT_TRUE(waitFor([&] { return redis_->ask({"SCARD", "ai_chat:o:ben"}) == "1"; }));

  const Store::Sent sent = one->send(direct("ann", "ben", "2", "hello"));
  EXPECT_EQ(sent.status, Status::kOk);
  EXPECT_TRUE(sent.delivered);
  const Store::Sent again = other->send(direct("ann", "ben", "2", "hello"));
  EXPECT_EQ(again.messageId, sent.messageId);
  EXPECT_EQ(again.status, Status::kOk);
  EXPECT_NE(one->send(direct("ann", "ben", "3", "more")).messageId, sent.messageId);
  EXPECT_TRUE(other->heard("direct more"));
  EXPECT_TRUE(one->heard("direct more")) << "the sender's other connections";
  EXPECT_EQ(other->count("direct hello"), 1u);
  EXPECT_EQ(one->count("direct hello"), 1u);

  const auto [status, posts] = other->inbox("ben");
  EXPECT_EQ(status, Status::kOk);
  ASSERT_EQ(texts(posts), "ann:hello ann:more ");
  EXPECT_EQ(posts[0].messageId, sent.messageId);
  EXPECT_LT(posts[0].messageId, posts[1].messageId);
  EXPECT_GT(posts[0].at, 1600000000000);
  EXPECT_EQ(posts[0].id, "2");
  EXPECT_EQ(posts[0].to, "ben");
  (*other)->received("ben", {posts[0].messageId, "not an id", "1 2", ""});
  EXPECT_EQ(texts(other->inbox("ben").second), "ann:more ");
  (*other)->received("ben", {posts[1].messageId});
  EXPECT_EQ(texts(other->inbox("ben").second), "");
  EXPECT_EQ(redis_->ask({"EXISTS", "ai_chat:i:ben"}), "0");
}

TEST_F(RedisPeopleTest, BothOnOneNodeHearItOnce) {
  const auto one = node();
  one->login("ann", kToken);
  one->login("ben", kToken);
  (*one)->setOnline("ann", true);
  (*one)->setOnline("ben", true);
  one->inbox("ann");
  one->inbox("ben");
  one->send(direct("ann", "ben", "1", "hello"));
  one->send(direct("ann", "ann", "2", "note"));
  one->send(direct("ben", "ann", "3", "last"));
  EXPECT_TRUE(one->heard("direct last"));
  EXPECT_EQ(one->count("direct hello"), 1u);
  EXPECT_EQ(one->count("direct note"), 1u);
  EXPECT_EQ(one->count("direct last"), 1u);
}

TEST_F(RedisPeopleTest, AMessageWaitsForItsReaderUpToTheLimit) {
  const auto one = node([](RedisOptions*, Store::Limits* limits) { limits->inboxPosts = 3; });
  one->login("ben", kToken);
  for (int i = 0; i < 3; ++i) {
    const Store::Sent sent = one->send(direct("ann", "ben", std::to_string(i), "m" + std::to_string(i)));
    EXPECT_EQ(sent.status, Status::kOk);
    EXPECT_FALSE(sent.delivered);
  }
  EXPECT_EQ(one->send(direct("ann", "ben", "3", "m3")).status, Status::kFull);
  EXPECT_EQ(one->send(direct("ann", "ben", "2", "m2")).status, Status::kOk) << "what is stored already";
  EXPECT_EQ(texts(node()->inbox("ben").second), "ann:m0 ann:m1 ann:m2 ");
}

TEST_F(RedisPeopleTest, ANodeThatDiesIsOnlineNoMore) {
  const auto one = node();
  const auto other = node();
  one->login("ann", kToken);
  (*one)->setOnline("ann", true);
  one->join("room", "ann");
  one->join("room", "zoe");
  other->join("room", "ben");
  other->join("room", "zoe");
  EXPECT_TRUE(one->heard("+ben room"));
  EXPECT_TRUE(waitFor([&] { return other->send(direct("ben", "ann", "", "?")).delivered; }));
  one->die();
  EXPECT_TRUE(other->heard("-ann room"));
  EXPECT_FALSE(other->send(direct("ben", "ann", "", "?")).delivered);
  EXPECT_EQ(names(other->look("room").second.members), "ben zoe ");
  EXPECT_EQ(other->count("-ann room"), 1u);
  EXPECT_EQ(other->count("-zoe room"), 0u) << "who is there by another node stays";
  EXPECT_EQ(redis_->ask({"SCARD", "ai_chat:nodes"}), "1");
}

TEST_F(RedisPeopleTest, ARoomIsTheSameOnAllNodes) {
  const auto one = node();
  const auto other = node();
  auto [status, state] = one->join("room", "ann");
  EXPECT_EQ(status, Status::kOk);
  EXPECT_EQ(names(state.members), "ann ");
  EXPECT_EQ(one->send(inRoom("ann", "room", "1", "first")).status, Status::kOk);
  EXPECT_EQ(one->send(inRoom("ann", "room", "1", "first")).status, Status::kOk);
  EXPECT_TRUE(one->heard("post first"));

  const auto log = newLog("r", Scope::room("room"));
  EXPECT_EQ(one->claim(log), Store::Claim::kOurs);
  (*one)->announce("room", log);
  write(log.get(), 1, 3);
  const auto answersSeen = [&](const std::string& expectedSeq) {
    const auto answers = other->look("room").second.answers;
    return answers.size() == 1 && answers[0].requestId == "r" && std::to_string(answers[0].seq) == expectedSeq;
  };
  EXPECT_TRUE(waitFor([&] { return answersSeen("3"); }));

  std::tie(status, state) = other->join("room", "ben");
  EXPECT_EQ(names(state.members), "ann ben ");
  EXPECT_EQ(texts(state.posts), "ann:first ");
  EXPECT_TRUE(one->heard("+ben room"));
  EXPECT_EQ(one->count("post first"), 1u);
  EXPECT_EQ(other->count("post first"), 0u) << "it came with the reply";
  EXPECT_EQ(other->count("+ben room"), 0u) << "nobody else is here to be told";

  const auto second = newLog("r2", Scope::room("room"));
  one->claim(second);
  (*one)->announce("room", second);
  EXPECT_TRUE(other->heard("answer r2 room"));
  EXPECT_EQ(one->count("answer r2 room"), 0u);
  write(log.get(), 4, 5, true);
  write(second.get(), 1, 1, true);
  EXPECT_TRUE(waitFor([&] { return other->look("room").second.answers.empty(); }));

  Post answer = inRoom("", "room", "", "the answer");
  answer.requestId = "r";
  answer.finishReason = "stop";
  one->send(answer);
  one->send(answer);
  other->send(inRoom("ben", "room", "1", "last"));
  EXPECT_TRUE(one->heard("post last"));
  EXPECT_TRUE(other->heard("post last"));
  EXPECT_EQ(other->count("post the answer"), 2u) << "without an id nothing is known again";
  const std::vector<Post> posts = one->look("room").second.posts;
  EXPECT_EQ(texts(posts), "ann:first :the answer :the answer ben:last ");
  EXPECT_EQ(posts[1].requestId + posts[1].finishReason, "rstop");

  (*one)->leave("room", "ann");
  EXPECT_TRUE(other->heard("-ann room"));
  EXPECT_EQ(names(other->look("room").second.members), "ben ");
  other->send(inRoom("ben", "room", "2", "alone"));
  EXPECT_TRUE(other->heard("post alone"));
  one->settle();
  EXPECT_EQ(one->count("post alone"), 0u) << "nobody here is in the room";
}

TEST_F(RedisPeopleTest, WhoLooksInGetsTheLastPosts) {
  const auto one = node([](RedisOptions*, Store::Limits* limits) { limits->roomPosts = 3; });
  for (int i = 0; i < 8; ++i) one->send(inRoom("ann", "room", "", std::to_string(i)));
  EXPECT_EQ(texts(one->join("room", "ben").second.posts), "ann:5 ann:6 ann:7 ");
  EXPECT_EQ(texts(one->look("room").second.posts), "ann:5 ann:6 ann:7 ");
  EXPECT_EQ(texts(one->look("elsewhere").second.posts), "");
}

TEST_F(RedisPeopleTest, JoiningMissesNothingAndRepeatsNothing) {
  // While somebody talks all the time, others join: what they get with the reply and what they hear then fits.
  const auto talker = node();
  const auto listener = node();
  talker->join("room", "ann");
  std::atomic<bool> ends{false};
  std::atomic<int> sent{0};
  std::thread talk([&] {
    while (!ends) talker->send(inRoom("ann", "room", "", std::to_string(++sent)));
  });
  for (int i = 0; i < 20; ++i) {
    const std::string user = "user" + std::to_string(i);
    const RoomState state = listener->join("room", user).second;
    // Each has heard all from its place in the events on.
    const std::vector<std::string> before = listener->events();
    const int known = state.posts.empty() ? 0 : std::stoi(state.posts.back().text);
    ASSERT_TRUE(listener->heard("post " + std::to_string(known + 3)));
    const std::vector<std::string> all = listener->events();
    const auto place = std::find(all.begin(), all.end(), "joined " + user);
    int next = known + 1;
    for (auto it = place; it != all.end(); ++it) {
      if (it->compare(0, 5, "post ") != 0) continue;
      ASSERT_EQ(*it, "post " + std::to_string(next++));
    }
  }
  ends = true;
  talk.join();
}

TEST_F(RedisPeopleTest, JoinAndLeaveInQuickSuccession) {
  const auto one = node();
  const auto other = node();
  other->join("room", "ben");
  std::atomic<int> joined{0};
  for (int i = 0; i < 50; ++i) {
    (*one)->join("room", "ann", one->loop(), [&](Status status, const RoomState&) { joined += status == Status::kOk; });
    (*one)->leave("room", "ann");
  }
  EXPECT_TRUE(waitFor([&] { return joined == 50; }));
  one->join("room", "ann");
  EXPECT_EQ(names(other->look("room").second.members), "ann ben ");
  (*one)->leave("room", "ann");
  EXPECT_TRUE(waitFor([&] { return names(other->look("room").second.members) == "ben "; }));
  EXPECT_TRUE(waitFor([&] { return redis_->ask({"PUBSUB", "NUMSUB", "ai_chat:r:room"}) == "ai_chat:r:room 1"; }));

  for (int i = 0; i < 50; ++i) {
    (*one)->setOnline("ann", true);
    (*one)->setOnline("ann", false);
  }
  (*one)->setOnline("ann", true);
  EXPECT_TRUE(waitFor([&] { return redis_->ask({"SCARD", "ai_chat:o:ann"}) == "1"; }));
  (*one)->setOnline("ann", false);
  EXPECT_TRUE(waitFor([&] { return redis_->ask({"SCARD", "ai_chat:o:ann"}) == "0"; }));
}

}  // namespace
}  // namespace ai_chat
