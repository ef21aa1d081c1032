#include "ai_chat/conversations.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ai_chat {
namespace {

std::string text(const std::vector<Exchange>& exchanges) {
  std::string all;
  for (const Exchange& exchange : exchanges) all += "U:" + exchange.question + " A:" + exchange.answer + " ";
  return all;
}

Store::Limits limits(std::size_t conversations, std::size_t turns, std::size_t bytes, std::size_t totalBytes) {
  Store::Limits result;
  result.conversations = conversations;
  result.turns = turns;
  result.bytes = bytes;
  result.totalBytes = totalBytes;
  return result;
}

struct Chats : Conversations {
  using Conversations::Conversations;
  void say(const std::string& session, const std::string& question, const std::string& answer,
           const std::string& replaces = "") {
    add(Scope::session(session), {"r-" + question, question, answer, "stop"}, replaces);
  }
  std::string said(const std::string& session) { return text(history(Scope::session(session))); }
};

TEST(Conversations, KeepTheOrder) {
  Chats chats{Store::Limits{}};
  EXPECT_EQ(chats.said("s"), "");
  chats.say("s", "q1", "a1");
  chats.say("t", "other", "one");
  chats.say("s", "q2", "a2");
  EXPECT_EQ(chats.said("s"), "U:q1 A:a1 U:q2 A:a2 ");
  EXPECT_EQ(chats.size(), 2u);
  EXPECT_EQ(chats.bytes(), 16u);
  EXPECT_EQ(chats.history(Scope::session("s"))[0].requestId, "r-q1");
  EXPECT_EQ(chats.history(Scope::session("s"))[0].finishReason, "stop");
  EXPECT_TRUE(chats.history(Scope::room("s")).empty());  // a room of that name is another conversation
}

TEST(Conversations, AnAnswerThatIsMadeAgain) {
  Chats chats{Store::Limits{}};
  chats.say("s", "q1", "a1");
  chats.say("s", "q2", "a2");
  chats.say("s", "q2b", "better", "r-q2");
  EXPECT_EQ(chats.said("s"), "U:q1 A:a1 U:q2b A:better ");
  chats.say("s", "q3", "a3", "r-q1");  // not the last one: nothing to replace
  EXPECT_EQ(chats.said("s"), "U:q1 A:a1 U:q2b A:better U:q3 A:a3 ");
  chats.say("s", "q4", "", "r-q3");    // stopped before its first word: what was there stays
  EXPECT_EQ(chats.said("s"), "U:q1 A:a1 U:q2b A:better U:q3 A:a3 ");
  chats.say("t", "q", "a", "r-q");
  EXPECT_EQ(chats.said("t"), "U:q A:a ");
  EXPECT_EQ(chats.bytes(), 19u);
}

TEST(Conversations, LimitOfTurns) {
  Chats chats(limits(10, 5, 1000, 1000));
  for (int i = 0; i < 9; ++i) chats.say("s", "q" + std::to_string(i), "a" + std::to_string(i));
  EXPECT_EQ(chats.said("s"), "U:q7 A:a7 U:q8 A:a8 ");
  EXPECT_EQ(chats.bytes(), 8u);
}

TEST(Conversations, LimitOfBytes) {
  Chats chats(limits(10, 100, 10, 1000));
  chats.say("s", "1111", "2222");
  chats.say("s", "3", "4");
  EXPECT_EQ(chats.said("s"), "U:1111 A:2222 U:3 A:4 ");
  chats.say("s", "5", "6");
  EXPECT_EQ(chats.said("s"), "U:3 A:4 U:5 A:6 ");
}

TEST(Conversations, AnAnswerThatIsTooLongIsKeptInPart) {
  Chats chats(limits(10, 100, 10, 1000));
  chats.say("s", "ab", "\u4f60\u597d\u5417");
  EXPECT_EQ(chats.said("s"), "U:ab A:\u4f60\u597d ");
  chats.say("s", "0123456789abc", "x");  // no room for any answer: the exchange is not kept
  EXPECT_EQ(chats.said("s"), "U:ab A:\u4f60\u597d ");
}

TEST(Conversations, LeastRecentlyUsedGoesFirst) {
  Chats chats(limits(2, 100, 100, 1000));
  chats.say("a", "q", "a");
  chats.say("b", "q", "a");
  chats.said("a");
  chats.say("c", "q", "a");
  EXPECT_NE(chats.said("a"), "");
  EXPECT_EQ(chats.said("b"), "");
  EXPECT_NE(chats.said("c"), "");
  EXPECT_EQ(chats.size(), 2u);
}

TEST(Conversations, LimitOfAllBytes) {
  Chats chats(limits(100, 100, 100, 20));
  chats.say("a", "12345", "12345");
  chats.say("b", "12345", "12345");
  chats.say("c", "1", "2");
  EXPECT_EQ(chats.said("a"), "");
  EXPECT_EQ(chats.bytes(), 12u);
}

TEST(Conversations, NothingWithoutBothSides) {
  Chats chats{Store::Limits{}};
  chats.say("s", "q", "");
  chats.say("s", "", "a");
  EXPECT_EQ(chats.size(), 0u);
  Chats none(limits(10, 0, 100, 100));
  none.say("s", "q", "a");
  EXPECT_EQ(none.size(), 0u);
}

}  // namespace
}  // namespace ai_chat
