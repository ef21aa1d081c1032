#include "ai_chat/answer_log.h"

#include <gtest/gtest.h>

#include <thread>

#include "ai_chat/answer_id.h"

namespace ai_chat {
namespace {

using Message = AnswerLog::Message;

Message text(const std::string& json) { return std::make_shared<const std::string>(json); }

class Reader : public AnswerLog::Reader {
 public:
  explicit Reader(bool paces = true) : paces_(paces) {}
  void onMore() override { ++woken; }
  void onStatus(const Message& json) override { statuses.push_back(*json); }
  void onRefused(const Message& error, const Message& end) override { refused = *error + *end; }
  void onOther() override { refused = "another"; }
  bool paces() const override { return paces_; }

  int woken = 0;
  std::vector<std::string> statuses;
  std::string refused;

 private:
  const bool paces_;
};

// All that the reader has not read; '|' behind each, '.' behind the last of the answer.
std::string readAll(AnswerLog* log, const std::shared_ptr<Reader>& reader) {
  std::string all;
  while (true) {
    const AnswerLog::Next next = log->read(reader.get());
    if (!next.json) return all;
    all += *next.json + (next.done ? "." : "|");
  }
}

class AnswerLogTest : public ::testing::Test {
 protected:
  AnswerLog log{{Scope::session("s"), "r"}};
};

TEST_F(AnswerLogTest, readersHaveTheirOwnPlaces) {
  const auto early = std::make_shared<Reader>();
  log.addReader(early, 0);
  EXPECT_EQ(0, early->woken);
  EXPECT_TRUE(log.append(1, text("a"), false));
  EXPECT_TRUE(log.append(2, text("b"), false));
  EXPECT_EQ(1, early->woken) << "woken once until it has read all";

  const auto late = std::make_shared<Reader>();
  log.addReader(late, 1);
  EXPECT_EQ(1, late->woken);
  EXPECT_EQ("b|", readAll(&log, late));
  EXPECT_EQ("a|b|", readAll(&log, early));
  EXPECT_TRUE(log.append(3, text("c"), true));
  EXPECT_EQ(2, early->woken);
  EXPECT_EQ("c.", readAll(&log, early));
  EXPECT_EQ("c.", readAll(&log, late));
  EXPECT_TRUE(log.done());
}

TEST_F(AnswerLogTest, aCopyMayBeFilledTwiceButNotWithGaps) {
  EXPECT_FALSE(log.append(2, text("b"), false));
  EXPECT_TRUE(log.append(1, text("a"), false));
  EXPECT_FALSE(log.append(1, text("A"), false));
  EXPECT_TRUE(log.append(2, text("b"), true));
  EXPECT_FALSE(log.append(3, text("c"), false)) << "it is done";
  EXPECT_EQ(2u, log.last());
  EXPECT_EQ(2u, log.bytes());
}

TEST_F(AnswerLogTest, aReaderThatKnowsMoreThanACopySkipsWhatItKnows) {
  const auto reader = std::make_shared<Reader>();
  log.append(1, text("a"), false);
  log.addReader(reader, 3);
  for (const char* one : {"b", "c", "d"}) log.append(log.last() + 1, text(one), false);
  EXPECT_EQ("d|", readAll(&log, reader));
}

TEST_F(AnswerLogTest, aReaderAtTheEndIsNotWoken) {
  log.append(1, text("a"), true);
  const auto reader = std::make_shared<Reader>();
  log.addReader(reader, 1);
  EXPECT_EQ(0, reader->woken);
  EXPECT_EQ("", readAll(&log, reader));
}

TEST_F(AnswerLogTest, whatCouldNotBeSentIsReadAgain) {
  const auto reader = std::make_shared<Reader>();
  log.addReader(reader, 0);
  log.append(1, text("a"), false);
  log.append(2, text("b"), false);
  const AnswerLog::Next first = log.read(reader.get());
  log.rewind(reader.get(), first.seq - 1);
  EXPECT_EQ("a|b|", readAll(&log, reader));
}

TEST_F(AnswerLogTest, whoIsRemovedReadsNothing) {
  const auto reader = std::make_shared<Reader>();
  log.addReader(reader, 0);
  log.removeReader(reader.get());
  log.append(1, text("a"), false);
  EXPECT_EQ(0, reader->woken);
  EXPECT_EQ("", readAll(&log, reader));
  EXPECT_EQ(0u, log.readers());
}

TEST_F(AnswerLogTest, statusesPassByAndOnlyTheLastOneIsKeptUntilTheFirstMessage) {
  log.status(text("queued 2"));
  log.status(text("queued 1"));
  const auto reader = std::make_shared<Reader>();
  log.addReader(reader, 0);
  log.status(text("thinking"));
  EXPECT_EQ((std::vector<std::string>{"queued 1", "thinking"}), reader->statuses);
  log.append(1, text("a"), false);
  const auto late = std::make_shared<Reader>();
  log.addReader(late, 0);
  EXPECT_TRUE(late->statuses.empty());
}

TEST_F(AnswerLogTest, aRefusalReachesThoseWhoWaitAndThoseWhoCome) {
  const auto waiting = std::make_shared<Reader>();
  log.addReader(waiting, 7);
  log.refuse(text("no."), text("end."));
  EXPECT_EQ("no.end.", waiting->refused);
  const auto late = std::make_shared<Reader>();
  log.addReader(late, 0);
  EXPECT_EQ("no.end.", late->refused);
  EXPECT_TRUE(log.done());
}

TEST_F(AnswerLogTest, anAnswerThatHasBegunIsNotRefused) {
  const auto reader = std::make_shared<Reader>();
  log.addReader(reader, 0);
  log.append(1, text("a"), false);
  log.refuse(text("no."), text("end."));
  EXPECT_EQ("", reader->refused);
  EXPECT_FALSE(log.done());
}

TEST_F(AnswerLogTest, theModelWaitsForTheFastestReaderOnly) {
  int caughtUp = 0;
  log.setCaughtUp(10, [&] { ++caughtUp; });
  log.append(1, text(std::string(100, 'a')), false);
  EXPECT_FALSE(log.isAhead(50)) << "nobody reads";
  const auto store = std::make_shared<Reader>(/*paces=*/false);
  log.addReader(store, 0);
  EXPECT_FALSE(log.isAhead(50)) << "a copy does not pace";

  const auto slow = std::make_shared<Reader>();
  const auto fast = std::make_shared<Reader>();
  log.addReader(slow, 0);
  log.addReader(fast, 0);
  EXPECT_TRUE(log.isAhead(50));
  EXPECT_FALSE(log.isAhead(100));
  readAll(&log, fast);
  EXPECT_EQ(1, caughtUp);
  EXPECT_FALSE(log.isAhead(50)) << "the slow one holds up nobody";
  readAll(&log, slow);
  EXPECT_EQ(1, caughtUp);
}

TEST_F(AnswerLogTest, theModelGoesOnWhenTheReaderItWaitsForLeaves) {
  int caughtUp = 0;
  log.setCaughtUp(10, [&] { ++caughtUp; });
  const auto reader = std::make_shared<Reader>();
  log.addReader(reader, 0);
  log.append(1, text(std::string(100, 'a')), false);
  EXPECT_TRUE(log.isAhead(50));
  log.removeReader(reader.get());
  EXPECT_EQ(1, caughtUp);
}

TEST_F(AnswerLogTest, whoKnowsMoreThanWasKeptGetsTheEndOfALoss) {
  const auto ahead = std::make_shared<Reader>();
  const auto level = std::make_shared<Reader>();
  log.addReader(ahead, 5);  // of what another node had told it
  log.addReader(level, 2);
  log.append(1, text("a"), false);
  log.append(2, text("b"), false);
  EXPECT_EQ("", readAll(&log, ahead));
  log.lose(3, text("lost"), text("end"));
  log.append(3, text("error"), false);
  log.append(4, text("done"), true);
  EXPECT_EQ("", readAll(&log, ahead));
  EXPECT_EQ("lostend", ahead->refused);
  EXPECT_EQ("error|done.", readAll(&log, level));
  EXPECT_EQ("", level->refused);

  for (const std::uint64_t after : {3, 4, 9}) {
    const auto late = std::make_shared<Reader>();
    log.addReader(late, after);
    EXPECT_EQ("lostend", late->refused) << after;
  }
}

TEST_F(AnswerLogTest, whoKnowsMoreThanThereIsDoesNotWaitForever) {
  const auto early = std::make_shared<Reader>();
  log.addReader(early, 3);
  log.append(1, text("a"), false);
  log.append(2, text("b"), true);
  EXPECT_EQ("", readAll(&log, early));
  EXPECT_EQ("another", early->refused);
  const auto late = std::make_shared<Reader>();
  log.addReader(late, 3);
  EXPECT_EQ("another", late->refused);
  const auto level = std::make_shared<Reader>();
  log.addReader(level, 2);
  EXPECT_EQ("", readAll(&log, level));
  EXPECT_EQ("", level->refused);
  EXPECT_EQ(1u, log.readers());
}

TEST_F(AnswerLogTest, nobodyGetsAPartOfOneTextAndAPartOfAnother) {
  const std::string ours = newAnswerId(), theirs = newAnswerId();
  const auto early = std::make_shared<Reader>();
  const auto foreign = std::make_shared<Reader>();
  const auto fresh = std::make_shared<Reader>();
  log.addReader(early, 1, ours);
  log.addReader(foreign, 1, theirs);
  log.addReader(fresh, 0, theirs);  // has nothing of it
  const std::string first = withAnswerId("{\"a\":1}", ours);
  log.append(1, text(first), false);
  log.append(2, text("b"), false);
  EXPECT_EQ("b|", readAll(&log, early));
  EXPECT_EQ("", readAll(&log, foreign));
  EXPECT_EQ("another", foreign->refused);
  EXPECT_EQ(first + "|b|", readAll(&log, fresh));

  const auto late = std::make_shared<Reader>();
  log.addReader(late, 1, theirs);
  EXPECT_EQ("another", late->refused);
  EXPECT_EQ(0, late->woken);
  EXPECT_EQ(2u, log.readers());
}

TEST_F(AnswerLogTest, theModelGoesOnWhenTheReaderItWaitsForHasReadAnother) {
  int caughtUp = 0;
  log.setCaughtUp(10, [&] { ++caughtUp; });
  const auto foreign = std::make_shared<Reader>();
  log.addReader(foreign, 1, newAnswerId());
  log.append(1, text(withAnswerId("{\"a\":1}", newAnswerId())), false);
  log.append(2, text(std::string(100, 'b')), false);
  EXPECT_TRUE(log.isAhead(50));
  readAll(&log, foreign);
  EXPECT_EQ(1, caughtUp);
}

TEST(AnswerIdTest, isAtTheEndOfAMessageAndNowhereElse) {
  const std::string id = newAnswerId();
  EXPECT_NE(id, newAnswerId());
  EXPECT_EQ(16u, id.size());
  const std::string json = withAnswerId("{\"seq\":1,\"done\":false}", id);
  EXPECT_EQ("{\"seq\":1,\"done\":false,\"answerId\":\"" + id + "\"}", json);
  EXPECT_EQ(id, answerIdOf(json));
  for (const std::string& none : {std::string(), std::string("{}"), std::string("{\"seq\":1,\"done\":false}"), json + " ",
                                  "{\"content\":\"\\\",\\\"answerId\\\":\\\"" + id + "\\\"}\"}"}) {
    EXPECT_EQ("", answerIdOf(none)) << none;
  }
}

// One writes, three read, and two of those come back again and again: each gets everything once.
TEST_F(AnswerLogTest, threadsReadWhileOneWrites) {
  constexpr int kMessages = 20000;
  const auto read = [&](bool restless) {
    auto reader = std::make_shared<Reader>();
    log.addReader(reader, 0);
    std::uint64_t seen = 0;
    for (bool done = false; !done;) {
      const AnswerLog::Next next = log.read(reader.get());
      if (!next.json) {
        if (restless) {
          log.removeReader(reader.get());
          reader = std::make_shared<Reader>();
          log.addReader(reader, seen);
        }
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(seen + 1, next.seq);
      ASSERT_EQ(std::to_string(next.seq), *next.json);
      seen = next.seq;
      done = next.done;
    }
    ASSERT_EQ(static_cast<std::uint64_t>(kMessages), seen);
  };
  std::thread first(read, false), second(read, true), third(read, true);
  for (int i = 1; i <= kMessages; ++i) ASSERT_TRUE(log.append(i, text(std::to_string(i)), i == kMessages));
  first.join();
  second.join();
  third.join();
}

}  // namespace
}  // namespace ai_chat
