// Logins and direct messages, as clients see them. people_rooms_test.cc has the rooms.
#include <gtest/gtest.h>

#include <algorithm>

#include "ai_chat/tests/people_harness.h"

namespace ai_chat {
namespace {

class PeopleTest : public testing::TestWithParam<int> {
 protected:
  void use(TestServer::Options options) {
    options.threads = GetParam();
    server_ = std::make_unique<TestServer>(options);
  }
  void SetUp() override { use(TestServer::Options()); }

  std::unique_ptr<TestServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Loops, PeopleTest, testing::Values(0, 2), [](const auto& threads) {
  return threads.param == 0 ? "One" : "Three";
});

bool isError(const Json& json, const std::string& code, const std::string& id = std::string()) {
  return json["type"] == "error" && json["code"] == code && json.value("id", "") == id && !json["message"].empty();
}

// ---- logins ----

TEST_P(PeopleTest, TheFirstLoginClaimsAName) {
  TestClient ann(*server_);
  const Json welcome = ann.login("ann", "a token of ann's own");
  EXPECT_EQ(welcome, (Json{{"type", "welcome"}, {"user", "ann"}, {"node", "node-1"}, {"unread", 0}}));

  TestClient other(*server_);
  EXPECT_TRUE(isError(other.login("ann", "a token of somebody's"), "wrong_token"));
  EXPECT_TRUE(isError(other.ask(directTo("ann", "hi", "1")), "login_required", "1"));
  EXPECT_EQ(other.login("ann", "a token of ann's own")["type"], "welcome");  // another device
  EXPECT_TRUE(isError(other.login("bob"), "bad_request"));                  // one is enough
  EXPECT_EQ(server_->metrics.usersOnline, 1);
  ann.hangUp();
  other.hangUp();
  EXPECT_TRUE(eventually([&] { return server_->metrics.usersOnline == 0; }));
}

TEST_P(PeopleTest, NothingWithoutALogin) {
  TestClient client(*server_);
  EXPECT_TRUE(isError(client.ask(directTo("ann", "hi", "7")), "login_required", "7"));
  EXPECT_TRUE(isError(client.ask({{"type", "join"}, {"room", "lobby"}}), "login_required"));
  EXPECT_TRUE(isError(client.ask({{"type", "leave"}, {"room", "lobby"}}), "login_required"));
  EXPECT_TRUE(isError(client.ask({{"type", "received"}, {"messageIds", {"1"}}}), "login_required"));
}

TEST_P(PeopleTest, AProxySaysWhoItIs) {
  TestServer::Options options;
  options.userHeader = "x-user";
  use(options);
  TestClient ann(*server_, "ann");
  EXPECT_EQ(ann.hear(), (Json{{"type", "welcome"}, {"user", "ann"}, {"node", "node-1"}, {"unread", 0}}));
  EXPECT_TRUE(isError(ann.login("bob"), "bad_request"));
  EXPECT_EQ(ann.ask(directTo("ann", "hi", "1"))["type"], "ack");

  TestClient nobody(*server_);
  EXPECT_TRUE(isError(nobody.login("ann"), "bad_request"));
  EXPECT_TRUE(isError(nobody.ask({{"type", "join"}, {"room", "lobby"}}), "login_required"));

  TestClient strange(*server_, std::string(65, 'x'));
  EXPECT_TRUE(isError(strange.hear(), "bad_request"));
  EXPECT_TRUE(isError(strange.ask({{"type", "join"}, {"room", "lobby"}}), "login_required"));
}

TEST_P(PeopleTest, AProxySaysWhoItIsWhileTheStoreIsAway) {
  TestServer::Options options;
  options.userHeader = "x-user";
  use(options);
  server_->store.refusesLogins = true;
  TestClient ann(*server_, "ann"), strange(*server_, std::string(65, 'x'));
  EXPECT_TRUE(isError(ann.hear(), "unavailable"));
  EXPECT_TRUE(isError(ann.ask({{"type", "join"}, {"room", "lobby"}}), "login_required"));
  EXPECT_TRUE(isError(strange.hear(), "bad_request"));
  server_->store.refusesLogins = false;
  for (int times = 0; times < 2; ++times) server_->inLoop([&] { server_->people->onDegraded(false); });
  EXPECT_EQ(ann.hear(), (Json{{"type", "welcome"}, {"user", "ann"}, {"node", "node-1"}, {"unread", 0}}));
  EXPECT_EQ(ann.join("lobby")["type"], "joined");
  EXPECT_EQ(server_->metrics.usersOnline, 1);
  EXPECT_TRUE(isError(strange.ask({{"type", "join"}, {"room", "lobby"}}), "login_required"));
}

TEST_P(PeopleTest, WhatComesBehindALoginWaitsForIt) {
  TestClient ann(*server_);
  ann.say({{"type", "login"}, {"user", "ann"}, {"token", "0123456789abcdef"}});
  ann.say({{"type", "join"}, {"room", "lobby"}});
  ann.say(sayIn("lobby", "hi", "1"));
  EXPECT_EQ(ann.hear()["type"], "welcome");
  EXPECT_EQ(ann.hear()["type"], "joined");
  std::vector<Json> rest;
  for (int i = 0; i < 3; ++i) rest.push_back(ann.hear());  // and the callback of the join, from the connection's loop
  const auto isCallback = [](const Json& json) { return json.count("joined") > 0; };
  rest.erase(std::remove_if(rest.begin(), rest.end(), isCallback), rest.end());
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0]["type"], "ack");
  EXPECT_EQ(rest[1]["text"], "hi");
}

TEST_P(PeopleTest, NotTooMuchMayWaitForALogin) {
  server_->store.isSlow = true;
  TestClient ann(*server_);
  ann.say({{"type", "login"}, {"user", "ann"}, {"token", "0123456789abcdef"}});
  for (int i = 0; i < 65; ++i) ann.say(directTo("ann", "hi", std::to_string(i)));
  EXPECT_TRUE(isError(ann.hear(), "too_fast", "64"));
  server_->store.answer();
  EXPECT_EQ(ann.hear()["type"], "welcome");
  int acks = 0;
  while (acks < 64) {
    const Json json = ann.hear();
    if (json["type"] != "ack") continue;
    EXPECT_EQ(json["id"], std::to_string(acks));
    ++acks;
  }
}

// ---- direct messages ----

TEST_P(PeopleTest, AMessageGoesToEveryDevice) {
  TestClient ann(*server_), annsPhone(*server_), bob(*server_), bobsPhone(*server_), cid(*server_);
  ann.login("ann");
  annsPhone.login("ann");
  bob.login("bob");
  bobsPhone.login("bob");
  cid.login("cid");

  const Json ack = ann.ask(directTo("bob", "hi", "1"));
  const std::string messageId = ack["messageId"];
  EXPECT_EQ(ack, (Json{{"type", "ack"}, {"id", "1"}, {"messageId", messageId}, {"delivered", true}}));
  for (TestClient* device : {&bob, &bobsPhone, &annsPhone}) {
    Json message = device->hear();
    EXPECT_GT(message["at"], 1600000000000);
    message.erase("at");
    EXPECT_EQ(message,
              (Json{{"type", "message"}, {"messageId", messageId}, {"from", "ann"}, {"to", "bob"}, {"text", "hi"}}));
  }
  for (TestClient* device : {&ann, &annsPhone, &bob, &cid}) EXPECT_EQ(device->settle(), std::vector<Json>());
  EXPECT_EQ(server_->metrics.messages, 1u);
}

TEST_P(PeopleTest, AMessageToOneself) {
  TestClient ann(*server_), phone(*server_);
  ann.login("ann");
  phone.login("ann");
  EXPECT_EQ(ann.ask(directTo("ann", "note", "1"))["delivered"], true);
  EXPECT_EQ(ann.hear()["text"], "note");  // once
  EXPECT_EQ(phone.hear()["text"], "note");
  EXPECT_TRUE(ann.settle().empty());
  EXPECT_TRUE(phone.settle().empty());
}

TEST_P(PeopleTest, AMessageWaitsUntilItIsReceived) {
  TestClient ann(*server_);
  ann.login("ann");
  TestClient(*server_).login("bob");
  ASSERT_TRUE(eventually([&] { return server_->metrics.usersOnline == 1; }));
  EXPECT_EQ(ann.ask(directTo("bob", "one", "1"))["delivered"], false);
  EXPECT_EQ(ann.ask(directTo("bob", "two", "2"))["delivered"], false);

  TestClient bob(*server_);
  EXPECT_EQ(bob.login("bob")["unread"], 2);
  const std::vector<Json> waited = bob.settle();
  EXPECT_EQ(texts(waited), "one two ");
  bob.say({{"type", "received"}, {"messageIds", {waited[0]["messageId"]}}});
  bob.settle();
  ann.ask(directTo("bob", "three", "3"));  // bob hears it, but does not say so
  EXPECT_EQ(texts(bob.settle()), "three ");

  TestClient again(*server_);
  EXPECT_EQ(again.login("bob")["unread"], 2);
  EXPECT_EQ(texts(again.settle()), "two three ");
}

TEST_P(PeopleTest, WhatArrivesDuringTheLoginComesBehindWhatWaited) {
  TestClient ann(*server_), bob(*server_);
  ann.login("ann");
  TestClient(*server_).login("bob");
  ASSERT_TRUE(eventually([&] { return server_->metrics.usersOnline == 1; }));
  Post known;
  known.messageId = ann.ask(directTo("bob", "one", "1"))["messageId"];
  known.id = "1";
  known.from = "ann";
  known.to = "bob";
  known.text = "one";

  server_->store.isSlow = true;
  bob.say({{"type", "login"}, {"user", "bob"}, {"token", "0123456789abcdef"}});
  ASSERT_TRUE(eventually([&] { return server_->store.asked == 1; }));
  server_->inLoop([&] { server_->people->onDirect(known); });  // late: it is in the inbox already
  EXPECT_EQ(ann.ask(directTo("bob", "two", "2"))["delivered"], true);
  ann.settle();
  server_->store.answer();
  EXPECT_EQ(bob.hear()["unread"], 1);
  EXPECT_EQ(texts(bob.settle()), "one two ");
  EXPECT_EQ(ann.ask(directTo("bob", "three", "3"))["delivered"], true);
  EXPECT_EQ(texts(bob.settle()), "three ");
}

TEST_P(PeopleTest, SentTwiceIsSentOnce) {
  TestClient ann(*server_), bob(*server_);
  ann.login("ann");
  bob.login("bob");
  const Json ack = ann.ask(directTo("bob", "hi", "1"));
  EXPECT_EQ(ann.ask(directTo("bob", "hi", "1")), ack);
  TestClient annAgain(*server_);  // the connection was lost before the ack came
  annAgain.login("ann");
  EXPECT_EQ(annAgain.ask(directTo("bob", "hi", "1")), ack);
  EXPECT_EQ(texts(bob.settle()), "hi ");
}

TEST_P(PeopleTest, WhatCannotBeStoredIsSaid) {
  TestServer::Options options;
  options.limits.inboxPosts = 2;
  use(options);
  TestClient ann(*server_), bob(*server_);
  ann.login("ann");
  EXPECT_TRUE(isError(ann.ask(directTo("bob", "hi", "1")), "not_found", "1"));
  bob.login("bob");
  EXPECT_EQ(ann.ask(directTo("bob", "hi", "1"))["type"], "ack");
  EXPECT_EQ(ann.ask(directTo("bob", "hi", "2"))["type"], "ack");
  Json full = ann.ask(directTo("bob", "hi", "3"));
  EXPECT_TRUE(isError(full, "overloaded", "3"));
  EXPECT_EQ(full["retryable"], true);
  bob.say({{"type", "received"}, {"messageIds", {bob.hear()["messageId"]}}});
  bob.settle();
  EXPECT_EQ(ann.ask(directTo("bob", "hi", "3"))["type"], "ack");
}

TEST_P(PeopleTest, ALargeInboxComesAtThePaceOfItsReader) {
  constexpr int kWaiting = 1000;
  TestServer::Options options;
  options.bounds.inboxBytes = 64 * 1024 * 1024;
  options.limits.inboxPosts = kWaiting + 10;
  use(options);
  TestClient ann(*server_), bob(*server_, "", 4096);
  ann.login("ann");
  TestClient(*server_).login("bob");
  ASSERT_TRUE(eventually([&] { return server_->metrics.usersOnline == 1; }));
  const std::string rest(8000, 'x');
  for (int i = 0; i < kWaiting; ++i) ann.ask(directTo("bob", std::to_string(i) + rest, std::to_string(i)));

  bob.say({{"type", "login"}, {"user", "bob"}, {"token", "0123456789abcdef"}});  // and does not read
  ASSERT_TRUE(eventually([&] { return server_->metrics.usersOnline == 2; }));
  ann.ask(directTo("bob", "late", "late"));
  EXPECT_GE(bob.hear()["unread"], kWaiting);
  for (int i = 0; i < kWaiting; ++i) {
    const std::string text = bob.hear()["text"];
    ASSERT_EQ(text, std::to_string(i) + rest);
  }
  EXPECT_EQ(bob.hear()["text"], "late");
  EXPECT_TRUE(bob.settle().empty());
  ann.ask(directTo("bob", "later", "later"));
  EXPECT_EQ(texts(bob.settle()), "later ");
}

TEST_P(PeopleTest, TheStoreIsOutOfReach) {
  TestClient ann(*server_), bob(*server_);
  bob.login("bob");
  ann.login("ann");
  ann.ask(directTo("bob", "one", "1"));
  bob.hear();

  server_->store.refusesLogins = true;
  TestClient again(*server_);
  EXPECT_TRUE(isError(again.login("bob"), "unavailable"));
  server_->store.refusesLogins = false;
  server_->store.isUnreachable = true;
  EXPECT_EQ(again.login("bob")["unread"], 0);  // not known, that is
  const Json lost = ann.ask(directTo("bob", "two", "2"));
  EXPECT_TRUE(isError(lost, "unavailable", "2"));
  EXPECT_EQ(lost["retryable"], true);
  EXPECT_TRUE(isError(ann.join("lobby"), "unavailable"));

  server_->store.isUnreachable = false;
  server_->inLoop([&] { server_->people->onDegraded(false); });
  EXPECT_EQ(again.hear()["text"], "one");
  EXPECT_EQ(ann.ask(directTo("bob", "two", "2"))["delivered"], true);
  EXPECT_EQ(texts(again.settle()), "two ");
  EXPECT_EQ(texts(bob.settle()), "two ");
  EXPECT_EQ(ann.join("lobby")["members"], (Json{"ann"}));
}

TEST_P(PeopleTest, AnyNameAndAnyText) {
  std::string chinese;
  for (int i = 0; i < 21; ++i) chinese += "\u5f20";
  const std::string ann = chinese + "a", bob = chinese + "\"";
  ASSERT_EQ(ann.size(), 64u);
  std::string text = "\\\"/<script>\u4f60\u597d\U0001F600\u2028\x7F";
  for (char c = 0; c < 0x20; ++c) text += c;
  TestClient one(*server_), other(*server_);
  EXPECT_EQ(one.login(ann)["user"], ann);
  EXPECT_EQ(other.login(bob)["user"], bob);
  EXPECT_EQ(one.ask(directTo(bob, text, "\n\u4f60"))["id"], "\n\u4f60");
  const Json message = other.hear();
  EXPECT_EQ(message["text"], text);
  EXPECT_EQ(message["from"], ann);
  EXPECT_EQ(one.join(chinese)["members"], Json{ann});
}

}  // namespace
}  // namespace ai_chat
