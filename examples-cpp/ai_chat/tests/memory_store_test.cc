#include "ai_chat/memory_store.h"

#include <gtest/gtest.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/EventLoopThread.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "ai_chat/token_hash.h"

namespace ai_chat {
namespace {

using Status = Store::Status;

const char kToken[] = "0123456789abcdef";

// Writes down what it is told.
struct Witness : Store::Events {
  void onDirect(const Post& post) override { said += "direct " + post.from + ">" + post.to + " " + post.text + "; "; }
  void onRoomPost(const Post& post) override { said += "post " + post.from + "@" + post.room + " " + post.text + "; "; }
  void onPresence(const std::string& room, const std::string& user, bool online) override {
    said += std::string(online ? "+" : "-") + user + "@" + room + "; ";
  }
  void onRoomAnswer(const std::string&, const std::string&) override { said += "answer; "; }
  void onStop(const AnswerId&) override { said += "stop; "; }
  void onDegraded(bool) override { said += "degraded; "; }
  std::string said;
};

class MemoryStoreTest : public testing::Test {
 protected:
  void use(const Store::Limits& limits, const MemoryStore::Bounds& bounds = MemoryStore::Bounds()) {
    store_ = std::make_unique<MemoryStore>(limits, bounds);
    store_->start(&loop_, &witness_);
  }
  void SetUp() override { use(Store::Limits{}); }

  // Until somebody quits.
  void run() {
    loop_.wakeup();  // else what is queued already waits for the first event
    loop_.loop();
  }
  // What was called back with; everything that was queued before has run then.
  template <typename... Results, typename Call>
  std::tuple<Results...> wait(Call call) {
    std::tuple<Results...> results;
    bool returned = false;
    call([&](Results... values) {
      EXPECT_TRUE(returned) << "called back before the call returned";
      results = std::make_tuple(std::move(values)...);
      loop_.quit();
    });
    returned = true;
    run();
    return results;
  }
  std::string events() {
    loop_.queueInLoop([this] { loop_.quit(); });
    run();
    return std::exchange(witness_.said, std::string());
  }

  Status login(const std::string& user, const std::string& token = kToken) {
    return std::get<0>(wait<Status>([&](auto done) { store_->login(user, token, &loop_, done); }));
  }
  Status admit(const std::string& user) {
    return std::get<0>(wait<Status>([&](auto done) { store_->admit(user, &loop_, done); }));
  }
  Store::Sent send(const Post& post) {
    return std::get<0>(wait<Store::Sent>([&](auto done) { store_->send(post, &loop_, done); }));
  }
  Store::Sent direct(const std::string& from, const std::string& to, const std::string& text,
                     const std::string& id = "") {
    Post post;
    post.from = from;
    post.to = to;
    post.text = text;
    post.id = id;
    return send(post);
  }
  Store::Sent say(const std::string& from, const std::string& room, const std::string& text,
                  const std::string& id = "") {
    Post post;
    post.from = from;
    post.room = room;
    post.text = text;
    post.id = id;
    return send(post);
  }
  std::vector<Post> inbox(const std::string& user) {
    auto [status, posts] =
        wait<Status, std::vector<Post>>([&](auto done) { store_->inbox(user, &loop_, done); });
    EXPECT_EQ(status, Status::kOk);
    return posts;
  }
  RoomState join(const std::string& room, const std::string& user, Status expected = Status::kOk) {
    auto [status, state] = wait<Status, RoomState>([&](auto done) { store_->join(room, user, &loop_, done); });
    EXPECT_EQ(status, expected);
    return state;
  }
  RoomState look(const std::string& room) {
    return std::get<1>(wait<Status, RoomState>([&](auto done) { store_->look(room, &loop_, done); }));
  }
  static std::string texts(const std::vector<Post>& posts) {
    std::string all;
    for (const Post& post : posts) all += post.text + " ";
    return all;
  }

  muduo::net::EventLoop loop_;
  Witness witness_;
  std::unique_ptr<MemoryStore> store_;
};

TEST(TokenHash, IsSha256) {
  EXPECT_EQ(hashToken("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2
  EXPECT_TRUE(isSameHash(hashToken("a"), hashToken("a")));
  EXPECT_FALSE(isSameHash(hashToken("a"), hashToken("b")));
  EXPECT_FALSE(isSameHash(hashToken("a"), ""));
}

// ---- what one node has ----

TEST_F(MemoryStoreTest, Conversations) {
  store_->addExchange(Scope::session("s"), {"r-1", "q", "a", "stop"}, "", &loop_, [] {});
  store_->addExchange(Scope::session("s"), {"r-2", "q", "b", "length"}, "r-1", &loop_, [] {});
  const auto [exchanges] =
      wait<std::vector<Exchange>>([&](auto done) { store_->history(Scope::session("s"), &loop_, done); });
  ASSERT_EQ(exchanges.size(), 1u);
  EXPECT_EQ(exchanges[0].requestId, "r-2");
  EXPECT_EQ(exchanges[0].answer, "b");
}

TEST_F(MemoryStoreTest, ThereAreNoOtherNodes) {
  const auto log = std::make_shared<AnswerLog>(AnswerId{Scope::session("s"), "r"});
  const auto [claim] = wait<Store::Claim>([&](auto done) { store_->claim(log, &loop_, done); });
  EXPECT_EQ(claim, Store::Claim::kOurs);
  const auto [found] = wait<Store::Found>([&](auto done) { store_->follow(log, &loop_, done); });
  EXPECT_EQ(found, Store::Found::kUnknown);
  EXPECT_STREQ(store_->name(), "memory");
  EXPECT_FALSE(store_->degraded());
}

TEST_F(MemoryStoreTest, NothingIsCalledBehindStop) {
  login("ann");
  store_->setOnline("ann", true);
  int called = 0;
  store_->send({}, &loop_, [&](Store::Sent) { ++called; });
  store_->join("room", "ann", &loop_, [&](Status, RoomState) { ++called; });
  bool stopped = false;
  store_->stop(1, [&] { stopped = true; });
  EXPECT_FALSE(stopped);
  store_->history(Scope::session("s"), &loop_, [&](std::vector<Exchange>) { ++called; });
  EXPECT_EQ(events(), "");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(called, 0);
}

// ---- names ----

TEST_F(MemoryStoreTest, TheFirstLoginDecidesOnTheToken) {
  EXPECT_EQ(login("ann"), Status::kOk);
  EXPECT_EQ(login("ann"), Status::kOk);
  EXPECT_EQ(login("ann", "another token of ann's"), Status::kWrongToken);
  EXPECT_EQ(login("bob", "another token of ann's"), Status::kOk);
}

TEST_F(MemoryStoreTest, ATokenDoesNotOpenANameThatSomebodyElseVouchesFor) {
  EXPECT_EQ(admit("ann"), Status::kOk);
  EXPECT_EQ(login("ann"), Status::kWrongToken);
  EXPECT_EQ(admit("ann"), Status::kOk);
}

TEST_F(MemoryStoreTest, ANameIsNeverGivenUp) {
  MemoryStore::Bounds bounds;
  bounds.users = 2;
  use(Store::Limits{}, bounds);
  login("ann");
  admit("bob");
  EXPECT_EQ(login("cid"), Status::kFull);
  EXPECT_EQ(admit("cid"), Status::kFull);
  EXPECT_EQ(login("ann", "another token of ann's"), Status::kWrongToken);
}

// ---- direct messages ----

TEST_F(MemoryStoreTest, AMessageWaitsUntilItIsReceived) {
  login("ann");
  login("bob");
  const Store::Sent first = direct("ann", "bob", "one");
  const Store::Sent second = direct("ann", "bob", "two");
  EXPECT_EQ(first.status, Status::kOk);
  EXPECT_FALSE(first.delivered);
  EXPECT_LT(first.messageId, second.messageId);
  EXPECT_EQ(events(), "");  // nobody is online

  std::vector<Post> posts = inbox("bob");
  EXPECT_EQ(texts(posts), "one two ");
  EXPECT_EQ(posts[0].messageId, first.messageId);
  EXPECT_EQ(posts[0].from, "ann");
  EXPECT_GT(posts[0].at, 1600000000000);
  EXPECT_EQ(texts(inbox("bob")), "one two ");

  store_->received("bob", {second.messageId, "unknown"});
  store_->received("ann", {first.messageId});  // not ann's
  EXPECT_EQ(texts(inbox("bob")), "one ");
}

TEST_F(MemoryStoreTest, WhoIsOnlineIsTold) {
  login("ann");
  login("bob");
  store_->setOnline("bob", true);
  EXPECT_TRUE(direct("ann", "bob", "hi").delivered);
  EXPECT_EQ(events(), "direct ann>bob hi; ");
  store_->setOnline("bob", false);
  EXPECT_FALSE(direct("ann", "bob", "hi").delivered);
  EXPECT_EQ(events(), "");
  store_->setOnline("ann", true);  // has perhaps another connection
  EXPECT_FALSE(direct("ann", "bob", "hi").delivered);
  EXPECT_EQ(events(), "direct ann>bob hi; ");
  EXPECT_EQ(inbox("bob").size(), 3u);
}

TEST_F(MemoryStoreTest, SentTwiceIsSentOnce) {
  login("ann");
  login("bob");
  const Store::Sent first = direct("ann", "bob", "hi", "1");
  EXPECT_FALSE(first.delivered);
  store_->setOnline("bob", true);
  const Store::Sent again = direct("ann", "bob", "hi", "1");
  EXPECT_EQ(again.status, Status::kOk);
  EXPECT_EQ(again.messageId, first.messageId);
  EXPECT_TRUE(again.delivered);
  EXPECT_EQ(events(), "");
  EXPECT_EQ(inbox("bob").size(), 1u);
  EXPECT_NE(direct("bob", "ann", "hi", "1").messageId, first.messageId);  // another sender's 1
  store_->received("bob", {first.messageId});
  EXPECT_EQ(direct("ann", "bob", "hi", "1").messageId, first.messageId);
  EXPECT_TRUE(inbox("bob").empty());
}

TEST_F(MemoryStoreTest, WhatWasRefusedMayBeSentAgain) {
  login("ann");
  EXPECT_EQ(direct("ann", "bob", "hi", "1").status, Status::kNotFound);
  login("bob");
  EXPECT_EQ(direct("ann", "bob", "hi", "1").status, Status::kOk);
}

TEST_F(MemoryStoreTest, IdsAreRememberedUpToALimit) {
  MemoryStore::Bounds bounds;
  bounds.messageIds = 2;
  use(Store::Limits{}, bounds);
  login("bob");
  for (const char* id : {"1", "2", "3", "3", "2", "1"}) direct("ann", "bob", id, id);
  EXPECT_EQ(texts(inbox("bob")), "1 2 3 1 ");
}

TEST_F(MemoryStoreTest, AnInboxIsFull) {
  Store::Limits limits;
  limits.inboxPosts = 3;
  use(limits);
  login("bob");
  std::string last;
  for (int i = 0; i < 3; ++i) last = direct("ann", "bob", "hi", std::to_string(i)).messageId;
  EXPECT_EQ(direct("ann", "bob", "hi", "3").status, Status::kFull);
  EXPECT_EQ(direct("ann", "bob", "hi", "2").messageId, last);  // but what is in it was sent
  store_->received("bob", {last});
  EXPECT_EQ(direct("ann", "bob", "hi", "3").status, Status::kOk);
}

TEST_F(MemoryStoreTest, InboxesAreFullInBytes) {
  MemoryStore::Bounds bounds;
  bounds.inboxBytes = 3000;
  bounds.inboxesBytes = 5000;
  use(Store::Limits{}, bounds);
  login("bob");
  login("cid");
  const std::string text(1000, 'x');
  const std::string first = direct("ann", "bob", text).messageId;
  EXPECT_EQ(direct("ann", "bob", text).status, Status::kOk);
  EXPECT_EQ(direct("ann", "bob", text).status, Status::kFull);
  EXPECT_EQ(direct("ann", "cid", text).status, Status::kOk);
  EXPECT_EQ(direct("ann", "cid", text).status, Status::kFull);  // altogether
  store_->received("bob", {first});
  EXPECT_EQ(direct("ann", "cid", text).status, Status::kOk);
}

// ---- rooms ----

TEST_F(MemoryStoreTest, PeopleComeAndGo) {
  EXPECT_EQ(join("room", "bob").members, std::vector<std::string>{"bob"});
  EXPECT_EQ(join("room", "ann").members, (std::vector<std::string>{"ann", "bob"}));
  EXPECT_EQ(join("room", "ann").members.size(), 2u);  // twice is once
  EXPECT_EQ(events(), "+bob@room; +ann@room; ");
  EXPECT_EQ(look("room").members.size(), 2u);
  EXPECT_TRUE(look("another room").members.empty());
  store_->leave("room", "bob");
  store_->leave("room", "bob");
  store_->leave("another room", "bob");
  EXPECT_EQ(events(), "-bob@room; ");
  EXPECT_EQ(look("room").members, std::vector<std::string>{"ann"});
}

TEST_F(MemoryStoreTest, ARoomRemembersItsLastPosts) {
  Store::Limits limits;
  limits.roomPosts = 3;
  use(limits);
  join("room", "ann");
  for (const char* text : {"1", "2", "3", "4"}) say("ann", "room", text, text);
  EXPECT_EQ(events(), "+ann@room; post ann@room 1; post ann@room 2; post ann@room 3; post ann@room 4; ");
  EXPECT_FALSE(say("ann", "room", "4", "4").messageId.empty());  // sent twice
  EXPECT_EQ(texts(look("room").posts), "2 3 4 ");
  store_->leave("room", "ann");
  events();
  say("", "room", "an answer");  // of a model that was asked before
  EXPECT_EQ(events(), "");
  EXPECT_EQ(texts(join("room", "bob").posts), "3 4 an answer ");
}

TEST_F(MemoryStoreTest, RoomsAreBoundedInBytes) {
  Store::Limits limits;
  limits.bytes = 1000;
  MemoryStore::Bounds bounds;
  bounds.roomBytes = 4000;
  bounds.roomsBytes = 6000;
  use(limits, bounds);
  join("a", "ann");
  join("b", "ann");
  say("", "a", std::string(998, 'x') + "\u4f60\u597d");
  EXPECT_EQ(look("a").posts[0].text, std::string(998, 'x'));  // in part, but no character
  say("ann", "a", std::string(1001, 'y'));
  EXPECT_EQ(look("a").posts[1].text, std::string(1001, 'y'));  // what was acknowledged is kept as it is
  events();
  for (int i = 0; i < 5; ++i) say("ann", "a", std::string(1000, static_cast<char>('0' + i)));
  ASSERT_EQ(look("a").posts.size(), 3u);
  EXPECT_EQ(look("a").posts[0].text[0], '2');
  for (int i = 0; i < 3; ++i) say("ann", "b", std::string(1000, 'b'));
  EXPECT_EQ(look("b").posts.size(), 3u);
  ASSERT_EQ(look("a").posts.size(), 1u);  // what was posted longest ago has gone
  EXPECT_EQ(look("a").posts[0].text[0], '4');
}

TEST_F(MemoryStoreTest, AnEmptyRoomGivesWay) {
  MemoryStore::Bounds bounds;
  bounds.rooms = 2;
  use(Store::Limits{}, bounds);
  join("a", "ann");
  say("ann", "a", "hi");
  store_->leave("a", "ann");
  join("b", "ann");
  EXPECT_EQ(texts(look("a").posts), "hi ");
  join("c", "ann");
  EXPECT_TRUE(look("a").posts.empty());
  join("d", "ann", Status::kFull);
  EXPECT_EQ(say("ann", "d", "hi").status, Status::kFull);
  store_->leave("b", "ann");  // without a post it is gone
  EXPECT_EQ(join("d", "ann").members.size(), 1u);
}

TEST_F(MemoryStoreTest, OfEmptyRoomsTheOneUsedLongestAgoGivesWay) {
  MemoryStore::Bounds bounds;
  bounds.rooms = 2;
  use(Store::Limits{}, bounds);
  for (const char* room : {"a", "b"}) {
    join(room, "ann");
    say("ann", room, "hi");
    store_->leave(room, "ann");
  }
  say("", "a", "an answer");
  join("c", "ann");
  EXPECT_EQ(texts(look("a").posts), "hi an answer ");
  EXPECT_TRUE(look("b").posts.empty());
}

TEST_F(MemoryStoreTest, ARoomIsFull) {
  MemoryStore::Bounds bounds;
  bounds.members = 1;
  use(Store::Limits{}, bounds);
  join("a", "ann");
  join("a", "bob", Status::kFull);
  EXPECT_EQ(join("a", "ann").members.size(), 1u);
  store_->leave("a", "ann");
  EXPECT_EQ(join("a", "bob").members.size(), 1u);
}

TEST_F(MemoryStoreTest, AnswersAreListedUntilTheyAreOver) {
  join("room", "ann");
  const auto log = std::make_shared<AnswerLog>(AnswerId{Scope::room("room"), "r-1"});
  auto dropped = std::make_shared<AnswerLog>(AnswerId{Scope::room("room"), "r-2"});
  store_->announce("room", log);
  store_->announce("room", dropped);
  dropped.reset();
  log->append(1, std::make_shared<const std::string>("{}"), false);
  ASSERT_EQ(look("room").answers.size(), 1u);
  EXPECT_EQ(look("room").answers[0].requestId, "r-1");
  EXPECT_EQ(look("room").answers[0].seq, 1u);
  store_->leave("room", "ann");
  ASSERT_EQ(join("room", "ann").answers.size(), 1u);  // who comes back finds it
  log->append(2, std::make_shared<const std::string>("{}"), true);
  EXPECT_TRUE(look("room").answers.empty());
}

TEST_F(MemoryStoreTest, ListedAnswersAreBounded) {
  MemoryStore::Bounds bounds;
  bounds.roomAnswers = 2;
  use(Store::Limits{}, bounds);
  std::vector<std::shared_ptr<AnswerLog>> logs;
  for (int i = 0; i < 3; ++i) {
    logs.push_back(std::make_shared<AnswerLog>(AnswerId{Scope::room("room"), std::to_string(i)}));
    store_->announce("room", logs.back());
  }
  EXPECT_EQ(look("room").answers.size(), 2u);
}

// ---- order ----

TEST_F(MemoryStoreTest, AnAckComesBeforeItsMessageAndStateBeforeEvents) {
  std::string order;
  struct Events : Witness {
    std::string* order;
    void onRoomPost(const Post& post) override { *order += "post " + post.text + "; "; }
    void onPresence(const std::string&, const std::string& user, bool) override { *order += "+" + user + "; "; }
  } events;
  events.order = &order;
  store_->start(&loop_, &events);
  Post post;
  post.room = "room";
  const auto sayIt = [&](const char* text) {
    post.text = text;
    store_->send(post, &loop_, [&order, text](Store::Sent) { order += std::string("ack ") + text + "; "; });
  };
  store_->join("room", "ann", &loop_, [](Status, RoomState) {});
  sayIt("1");
  store_->join("room", "bob", &loop_, [&](Status, RoomState state) { order += "joined " + texts(state.posts) + "; "; });
  sayIt("2");
  loop_.queueInLoop([this] { loop_.quit(); });
  run();
  EXPECT_EQ(order, "+ann; ack 1; post 1; +bob; joined 1 ; ack 2; post 2; ");
}

TEST_F(MemoryStoreTest, ThreadsShareIt) {
  Store::Limits limits;
  limits.inboxPosts = 50;
  limits.conversations = 5;
  use(limits);
  struct Counter : Witness {
    void onRoomPost(const Post& post) override {
      EXPECT_LT(last, post.messageId);  // one order for all
      last = post.messageId;
      ++posts;
    }
    std::string last;
    int posts = 0;
  } events;
  store_->start(&loop_, &events);
  join("room", "observer");

  constexpr int kThreads = 3;
  constexpr int kRounds = 300;
  std::atomic<int> called{0};
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<muduo::net::EventLoopThread>> loops;
  std::vector<muduo::net::EventLoop*> ioLoops;
  for (int t = 0; t < kThreads; ++t) {
    loops.push_back(std::make_unique<muduo::net::EventLoopThread>());
    muduo::net::EventLoop* loop = loops.back()->startLoop();
    ioLoops.push_back(loop);
    threads.emplace_back([&, t, loop] {
      const std::string me = "user" + std::to_string(t);
      const std::string other = "user" + std::to_string((t + 1) % kThreads);
      store_->admit(me, loop, [&](Status) { ++called; });
      store_->setOnline(me, true);
      for (int i = 0; i < kRounds; ++i) {
        store_->join("room" + std::to_string(i % 7), me, loop, [&](Status, RoomState) { ++called; });
        Post post;
        post.from = me;
        post.id = std::to_string(i);
        (i % 2 ? post.room : post.to) = i % 2 ? "room" : other;
        store_->send(post, loop, [&called, isForRoom = i % 2 == 1](Store::Sent sent) {
          EXPECT_TRUE(!isForRoom || sent.status == Status::kOk);
          ++called;
        });
        store_->inbox(me, loop, [this, me](Status, std::vector<Post> posts) {
          for (const Post& waiting : posts) store_->received(me, {waiting.messageId});
        });
        store_->addExchange(Scope::session(std::to_string(i % 9)), {"r", "question", "answer", "stop"}, "", &loop_, [] {});
        store_->leave("room" + std::to_string(i % 7), me);
      }
      store_->history(Scope::session("1"), loop, [&](std::vector<Exchange>) { ++called; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(look("room").members.size(), 1u);
  this->events();
  EXPECT_EQ(events.posts, kThreads * kRounds / 2);
  for (muduo::net::EventLoop* loop : ioLoops) {  // whatever was queued there has run
    std::promise<void> reached;
    loop->queueInLoop([&] { reached.set_value(); });
    reached.get_future().wait();
  }
  EXPECT_EQ(called, kThreads * (2 * kRounds + 2));
}

}  // namespace
}  // namespace ai_chat
