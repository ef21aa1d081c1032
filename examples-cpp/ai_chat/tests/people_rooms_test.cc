// Rooms, as clients see them.
#include <gtest/gtest.h>

#include "ai_chat/tests/people_harness.h"

namespace ai_chat {
namespace {

class RoomsTest : public testing::TestWithParam<int> {
 protected:
  void use(TestServer::Options options) {
    options.threads = GetParam();
    server_ = std::make_unique<TestServer>(options);
  }
  void SetUp() override { use(TestServer::Options()); }

  // What anybody else would see.
  RoomState look(const std::string& room) {
    std::promise<RoomState> state;
    server_->inLoop([&] {
      server_->store.MemoryStore::look(room, loop(),
                                       [&](Store::Status, RoomState now) { state.set_value(std::move(now)); });
    });
    return state.get_future().get();
  }
  bool isEmpty(const std::string& room) {
    return eventually([&] { return look(room).members.empty(); });
  }
  void post(const Post& post) {
    server_->inLoop([&] { server_->store.send(post, loop(), [](Store::Sent) {}); });
  }
  static muduo::net::EventLoop* loop() { return muduo::net::EventLoop::getEventLoopOfCurrentThread(); }

  std::unique_ptr<TestServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Loops, RoomsTest, testing::Values(0, 2), [](const auto& threads) {
  return threads.param == 0 ? "One" : "Three";
});

Json presence(const std::string& room, const std::string& user, bool online) {
  return {{"type", "presence"}, {"room", room}, {"user", user}, {"online", online}};
}

bool isError(const Json& json, const std::string& code, const std::string& id = std::string()) {
  return json["type"] == "error" && json["code"] == code && json.value("id", "") == id && !json["message"].empty();
}

TEST_P(RoomsTest, PresenceIsOfPeopleAndNotOfConnections) {
  TestClient ann(*server_), bob(*server_), phone(*server_);
  ann.login("ann");
  bob.login("bob");
  phone.login("bob");
  EXPECT_EQ(ann.join("lobby"), (Json{{"type", "joined"},
                                     {"room", "lobby"},
                                     {"members", {"ann"}},
                                     {"messages", Json::array()},
                                     {"answers", Json::array()}}));
  EXPECT_EQ(bob.join("lobby")["members"], (Json{"ann", "bob"}));
  EXPECT_EQ(ann.hear(), presence("lobby", "bob", true));
  EXPECT_EQ(phone.join("lobby")["members"], (Json{"ann", "bob"}));
  EXPECT_EQ(server_->store.joins, 2);
  EXPECT_EQ(phone.callback,
            (Json{{"joined", "lobby"}, {"as", "bob"}, {"isKnown", true}, {"connections", 3}, {"posts", 0}}));

  EXPECT_EQ(bob.ask({{"type", "leave"}, {"room", "lobby"}}), (Json{{"type", "left"}, {"room", "lobby"}}));
  EXPECT_EQ(bob.hear(), (Json{{"left", "lobby"}, {"isIn", false}}));
  EXPECT_TRUE(ann.settle().empty());  // bob is still there
  EXPECT_TRUE(isError(bob.ask(sayIn("lobby", "hi", "1")), "not_in_room", "1"));
  EXPECT_EQ(phone.ask(sayIn("lobby", "hi", "2"))["type"], "ack");
  EXPECT_EQ(ann.hear()["text"], "hi");

  phone.hangUp();  // a connection that is lost
  EXPECT_EQ(ann.hear(), presence("lobby", "bob", false));
  ann.hangUp();
  EXPECT_TRUE(isEmpty("lobby"));
  EXPECT_TRUE(bob.settle().empty());
}

TEST_P(RoomsTest, TheOrderIsTheSameForAll) {
  constexpr int kEach = 60;
  std::vector<std::unique_ptr<TestClient>> members;
  for (const char* name : {"ann", "bob", "cid", "dan"}) {
    members.push_back(std::make_unique<TestClient>(*server_));
    members.back()->login(name);
    members.back()->join("lobby");
  }
  std::vector<std::vector<std::string>> heard(members.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < members.size(); ++i) {
    threads.emplace_back([&, i] {
      TestClient& me = *members[i];
      for (int n = 0; n < kEach; ++n) {
        me.say(sayIn("lobby", std::to_string(i) + "/" + std::to_string(n), std::to_string(n)));
      }
      int acks = 0;
      while (acks < kEach || heard[i].size() < kEach * members.size()) {
        const Json json = me.hear();
        if (json["type"] == "ack") {
          EXPECT_EQ(json["id"], std::to_string(acks));
          EXPECT_EQ(json.count("delivered"), 0u);
          ++acks;
        } else if (json["type"] == "message") {
          heard[i].push_back(json["text"]);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 1; i < members.size(); ++i) EXPECT_EQ(heard[i], heard[0]);
  for (const auto& member : members) EXPECT_TRUE(member->settle().empty());  // each message once
  for (std::size_t i = 0; i < members.size(); ++i) {  // of each sender in the order in which it sent
    int next = 0;
    for (const std::string& text : heard[0]) {
      if (text[0] != static_cast<char>('0' + i)) continue;
      EXPECT_EQ(text, std::to_string(i) + "/" + std::to_string(next++));
    }
  }
}

TEST_P(RoomsTest, ARoomIsItsOwn) {
  TestClient ann(*server_), bob(*server_);
  ann.login("ann");
  bob.login("bob");
  ann.join("lobby");
  bob.join("ann");  // a room and a user may have one name
  EXPECT_TRUE(ann.settle().empty());
  EXPECT_TRUE(isError(bob.ask(sayIn("lobby", "hi", "1")), "not_in_room", "1"));
  EXPECT_EQ(ann.ask(sayIn("lobby", "hi", "1"))["type"], "ack");
  EXPECT_EQ(ann.hear()["room"], "lobby");
  server_->people->broadcast("ann", "{\"type\":\"stream\"}");
  EXPECT_EQ(bob.hear()["type"], "stream");
  EXPECT_TRUE(ann.settle().empty());
}

TEST_P(RoomsTest, WhoComesSeesTheLastMessages) {
  TestServer::Options options;
  options.limits.roomPosts = 3;
  use(options);
  TestClient ann(*server_), bob(*server_);
  ann.login("ann");
  bob.login("bob");
  ann.join("lobby");
  for (const char* text : {"1", "2", "3"}) {
    ann.ask(sayIn("lobby", text, text));
    ann.hear();
  }
  Post question;
  question.from = "ann";
  question.room = "lobby";
  question.text = "why?";
  question.requestId = "r-1";
  post(question);
  Json heard = ann.hear();
  EXPECT_EQ(heard["requestId"], "r-1");  // the question goes to all of them
  EXPECT_EQ(heard["from"], "ann");
  Post answer;
  answer.room = "lobby";
  answer.text = "because";
  answer.requestId = "r-1";
  answer.finishReason = "stop";
  post(answer);
  EXPECT_TRUE(ann.settle().empty());  // the answer came as a stream

  const Json joined = bob.join("lobby");
  EXPECT_EQ(texts(joined["messages"]), "3 why? because ");
  EXPECT_TRUE(joined["messages"][2]["from"].is_null());
  EXPECT_EQ(joined["messages"][2]["finish_reason"], "stop");
  EXPECT_EQ(bob.callback["posts"], 3);
}

TEST_P(RoomsTest, ToJoinTwiceIsToLookAgain) {
  TestClient ann(*server_), bob(*server_);
  ann.login("ann");
  bob.login("bob");
  ann.join("lobby");
  bob.join("lobby");
  ann.hear();
  ann.ask(sayIn("lobby", "hi", "1"));
  ann.hear();
  EXPECT_EQ(texts(ann.ask({{"type", "join"}, {"room", "lobby"}})["messages"]), "hi ");
  EXPECT_TRUE(ann.settle().empty());
  bob.settle();
  bob.ask(sayIn("lobby", "once", "2"));
  EXPECT_EQ(texts(ann.settle()), "once ");
  ann.ask({{"type", "leave"}, {"room", "lobby"}});
  bob.hear();
  EXPECT_EQ(bob.hear(), presence("lobby", "ann", false));
}

TEST_P(RoomsTest, SixteenRooms) {
  TestClient ann(*server_), phone(*server_);
  ann.login("ann");
  phone.login("ann");
  for (int i = 0; i < 16; ++i) EXPECT_EQ(ann.join("room " + std::to_string(i))["type"], "joined");
  EXPECT_TRUE(isError(ann.join("one more"), "bad_request"));
  EXPECT_TRUE(look("one more").members.empty());
  EXPECT_EQ(ann.ask({{"type", "join"}, {"room", "room 3"}})["type"], "joined");  // where it is already
  EXPECT_EQ(phone.join("one more")["type"], "joined");                          // the limit is of a connection
  ann.ask({{"type", "leave"}, {"room", "room 3"}});
  ann.hear();
  EXPECT_EQ(ann.join("one more")["type"], "joined");
  ann.hangUp();
  EXPECT_TRUE(isEmpty("room 5"));
  EXPECT_EQ(look("one more").members.size(), 1u);
}

TEST_P(RoomsTest, TooManyRooms) {
  TestServer::Options options;
  options.bounds.rooms = 1;
  use(options);
  TestClient ann(*server_);
  ann.login("ann");
  EXPECT_EQ(ann.join("lobby")["type"], "joined");
  EXPECT_TRUE(isError(ann.join("bar"), "overloaded"));
  ann.ask({{"type", "leave"}, {"room", "lobby"}});
  ann.hear();
  EXPECT_EQ(ann.join("bar")["type"], "joined");
}

// ---- while the store takes its time ----

TEST_P(RoomsTest, NothingIsMissedOrDoubledWhileJoining) {
  TestClient ann(*server_), bob(*server_), cid(*server_);
  ann.login("ann");
  bob.login("bob");
  cid.login("cid");
  ann.join("lobby");
  ann.ask(sayIn("lobby", "before", "1"));
  ann.hear();

  server_->store.isSlow = true;
  bob.say({{"type", "join"}, {"room", "lobby"}});
  bob.say(sayIn("lobby", "mine", "1"));  // waits for the join
  ASSERT_TRUE(eventually([&] { return server_->store.asked == 1; }));
  EXPECT_EQ(ann.hear(), presence("lobby", "bob", true));
  ann.ask(sayIn("lobby", "meanwhile", "2"));
  ann.hear();
  cid.say({{"type", "join"}, {"room", "lobby"}});
  EXPECT_EQ(ann.hear(), presence("lobby", "cid", true));
  server_->store.answer();

  Json joined = bob.hear();
  EXPECT_EQ(texts(joined["messages"]), "before ");
  EXPECT_EQ(joined["members"], (Json{"ann", "bob"}));
  EXPECT_EQ(bob.hear()["text"], "meanwhile");
  EXPECT_EQ(bob.hear(), presence("lobby", "cid", true));
  joined = cid.hear();
  EXPECT_EQ(texts(joined["messages"]), "before meanwhile ");
  EXPECT_EQ(ann.hear()["text"], "mine");
  const auto isMine = [](const Json& json) { return json.value("text", "") == "mine"; };
  for (TestClient* member : {&bob, &cid}) {
    int mine = 0;
    while (mine == 0) mine += isMine(member->hear());
    for (const Json& json : member->settle()) EXPECT_NE(json.value("type", ""), "message") << json;
  }
}

TEST_P(RoomsTest, WhatTheStateHasIsNotRepeated) {
  TestClient ann(*server_), bob(*server_);
  ann.login("ann");
  bob.login("bob");
  ann.join("lobby");
  server_->inLoop([&] {  // an event that is late: the state has it already
    Post post;
    post.from = "ann";
    post.room = "lobby";
    post.text = "hi";
    server_->store.send(post, loop(), [this](Store::Sent) { server_->store.isSlow = true; });
  });
  EXPECT_EQ(ann.hear()["text"], "hi");
  bob.say({{"type", "join"}, {"room", "lobby"}});
  ASSERT_TRUE(eventually([&] { return server_->store.asked == 1; }));
  const Post known = look("lobby").posts.at(0);
  server_->inLoop([&] { server_->people->onRoomPost(known); });
  server_->store.answer();
  EXPECT_EQ(texts(bob.hear()["messages"]), "hi ");
  EXPECT_EQ(bob.hear()["joined"], "lobby");
  EXPECT_TRUE(bob.settle().empty());
}

TEST_P(RoomsTest, WhoGoesWhileJoiningHasLeft) {
  TestClient ann(*server_);
  ann.login("ann");
  server_->store.isSlow = true;
  ann.say({{"type", "join"}, {"room", "lobby"}});
  ASSERT_TRUE(eventually([&] { return server_->store.asked == 1; }));
  EXPECT_EQ(look("lobby").members.size(), 1u);
  ann.hangUp();
  EXPECT_TRUE(isEmpty("lobby"));
  server_->store.answer();
  EXPECT_TRUE(eventually([&] { return server_->metrics.usersOnline == 0; }));
  TestClient again(*server_);
  again.login("ann");
  EXPECT_EQ(again.join("lobby")["members"], Json{"ann"});
  EXPECT_EQ(again.callback["connections"], 1);
}

TEST_P(RoomsTest, TwoDevicesJoinAtOnce) {
  TestClient ann(*server_), phone(*server_), bob(*server_);
  ann.login("ann");
  phone.login("ann");
  bob.login("bob");
  bob.join("lobby");
  server_->store.isSlow = true;
  ann.say({{"type", "join"}, {"room", "lobby"}});
  phone.say({{"type", "join"}, {"room", "lobby"}});
  ASSERT_TRUE(eventually([&] { return server_->store.asked == 2; }));
  ann.hangUp();
  ASSERT_TRUE(eventually([&] { return server_->people->connectionsIn("lobby").size() == 1; }));
  server_->store.answer();
  EXPECT_EQ(phone.hear()["members"], (Json{"ann", "bob"}));
  EXPECT_EQ(phone.hear()["joined"], "lobby");
  EXPECT_EQ(bob.hear(), presence("lobby", "ann", true));
  EXPECT_TRUE(bob.settle().empty());
  phone.hangUp();
  EXPECT_EQ(bob.hear(), presence("lobby", "ann", false));
}

// ---- slow readers ----

TEST_P(RoomsTest, WhoDoesNotReadIsClosed) {
  TestClient ann(*server_), bob(*server_, "", 4096);
  ann.login("ann");
  bob.login("bob");
  ann.join("lobby");
  bob.join("lobby");
  ann.hear();
  constexpr int kPosts = 1500;  // more than the kernel's buffers and the 4 MiB of the server hold
  const std::string text(8000, 'x');
  for (int i = 0; i < kPosts; ++i) {
    EXPECT_EQ(ann.ask(sayIn("lobby", text, std::to_string(i)))["type"], "ack");
    EXPECT_EQ(ann.hear()["type"], "message");
  }
  // What was sent before comes, then why there is no more.
  int messages = 0;
  Json last;
  while ((last = bob.hear()).count("closed") == 0) ++messages;
  EXPECT_EQ(last["closed"], 1013);
  EXPECT_GT(messages, 100);
  EXPECT_LT(messages, kPosts);
}

}  // namespace
}  // namespace ai_chat
