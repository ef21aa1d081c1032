#include "ai_chat/session_store.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "ai_chat/utf8.h"

namespace ai_chat {
namespace {

std::string text(const std::vector<Turn>& turns) {
  std::string all;
  for (const Turn& turn : turns) all += (turn.role == Turn::Role::kUser ? "U:" : "A:") + turn.text + " ";
  return all;
}

SessionStore::Limits limits(std::size_t sessions, std::size_t turns, std::size_t sessionBytes, std::size_t bytes) {
  SessionStore::Limits result;
  result.sessions = sessions;
  result.turnsPerSession = turns;
  result.bytesPerSession = sessionBytes;
  result.bytes = bytes;
  return result;
}

TEST(SessionStore, KeepsTheConversationInOrder) {
  SessionStore store(SessionStore::Limits{});
  EXPECT_TRUE(store.history("s").empty());
  store.add("s", "q1", "a1");
  store.add("t", "other", "one");
  store.add("s", "q2", "a2");
  EXPECT_EQ(text(store.history("s")), "U:q1 A:a1 U:q2 A:a2 ");
  EXPECT_EQ(store.sessions(), 2u);
  EXPECT_EQ(store.bytes(), 16u);
}

TEST(SessionStore, LimitOfTurns) {
  SessionStore store(limits(10, 5, 1000, 1000));
  for (int i = 0; i < 9; ++i) store.add("s", "q" + std::to_string(i), "a" + std::to_string(i));
  EXPECT_EQ(text(store.history("s")), "U:q7 A:a7 U:q8 A:a8 ");
  EXPECT_EQ(store.bytes(), 8u);
}

TEST(SessionStore, LimitOfBytes) {
  SessionStore store(limits(10, 100, 10, 1000));
  store.add("s", "1111", "2222");
  store.add("s", "3", "4");
  EXPECT_EQ(text(store.history("s")), "U:1111 A:2222 U:3 A:4 ");
  store.add("s", "5", "6");
  EXPECT_EQ(text(store.history("s")), "U:3 A:4 U:5 A:6 ");
}

TEST(SessionStore, AnAnswerThatIsTooLongIsKeptInPart) {
  SessionStore store(limits(10, 100, 10, 1000));
  store.add("s", "ab", "\u4f60\u597d\u5417");
  EXPECT_EQ(text(store.history("s")), "U:ab A:\u4f60\u597d ");
  store.add("s", "0123456789abc", "x");  // no room for any answer: the exchange is not kept
  EXPECT_EQ(text(store.history("s")), "U:ab A:\u4f60\u597d ");
}

TEST(SessionStore, LeastRecentlyUsedSessionGoesFirst) {
  SessionStore store(limits(2, 100, 100, 1000));
  store.add("a", "q", "a");
  store.add("b", "q", "a");
  store.history("a");
  store.add("c", "q", "a");
  EXPECT_FALSE(store.history("a").empty());
  EXPECT_TRUE(store.history("b").empty());
  EXPECT_FALSE(store.history("c").empty());
  EXPECT_EQ(store.sessions(), 2u);
}

TEST(SessionStore, LimitOfAllBytes) {
  SessionStore store(limits(100, 100, 100, 20));
  store.add("a", "12345", "12345");
  store.add("b", "12345", "12345");
  store.add("c", "1", "2");
  EXPECT_TRUE(store.history("a").empty());
  EXPECT_EQ(store.bytes(), 12u);
}

TEST(SessionStore, NothingWithoutBothSides) {
  SessionStore store(SessionStore::Limits{});
  store.add("s", "q", "");
  store.add("s", "", "a");
  EXPECT_EQ(store.sessions(), 0u);
  SessionStore none(limits(10, 0, 100, 100));
  none.add("s", "q", "a");
  EXPECT_EQ(none.sessions(), 0u);
}

TEST(SessionStore, ThreadsShareIt) {
  SessionStore store(limits(5, 10, 100, 400));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&store, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::string id = std::to_string((i + t) % 7);
        store.add(id, "question", "answer");
        const std::vector<Turn> turns = store.history(id);
        EXPECT_EQ(turns.size() % 2, 0u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(store.sessions(), 5u);
  EXPECT_LE(store.bytes(), 400u);
}

}  // namespace
}  // namespace ai_chat
