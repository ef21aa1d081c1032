#include "ai_chat/runs.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace ai_chat {
namespace {

AnswerId answer(int number) { return {Scope::session("s"), "r" + std::to_string(number)}; }

AnswerLog::Message text(const std::string& json) { return std::make_shared<const std::string>(json); }

class RunsTest : public ::testing::Test {
 protected:
  ChatOptions options;
  ChatMetrics metrics;
  Runs runs{options, &metrics};
};

TEST_F(RunsTest, aCopyThatWasRefusedIsNotKept) {
  const auto copy = std::make_shared<AnswerLog>(answer(1));
  EXPECT_EQ(copy, runs.keep(copy));
  EXPECT_EQ(copy, runs.keep(std::make_shared<AnswerLog>(answer(1))));
  copy->refuse(text("unavailable"), text("end"));
  EXPECT_EQ(nullptr, runs.find(answer(1))) << "now it may be there";
  EXPECT_EQ(copy, runs.keep(copy));
  const auto again = std::make_shared<AnswerLog>(answer(1));
  EXPECT_EQ(again, runs.keep(again));
}

TEST_F(RunsTest, manyShortAnswersDoNotFillTheMemory) {
  const int count = 140000;
  for (int i = 0; i < count; ++i) {
    const auto log = std::make_shared<AnswerLog>(answer(i));
    log->append(1, text("{}"), true);
    runs.keep(log);
  }
  runs.tick();
  EXPECT_GT(metrics.answersKept, 100000);
  EXPECT_LT(metrics.answersKept, count);
}

}  // namespace
}  // namespace ai_chat
