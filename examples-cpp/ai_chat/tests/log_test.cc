#include "ai_chat/log.h"

#include <gtest/gtest.h>
#include <muduo/base/Logging.h>

#include <cmath>
#include <limits>
#include <regex>
#include <string>
#include <thread>
#include <vector>

namespace ai_chat {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { Log::setUp(Log::kError, Log::Format::kText); }

  // What comes out while `body` runs, without the times.
  template <typename Body>
  static std::string lines(Body body) {
    testing::internal::CaptureStderr();
    body();
    return std::regex_replace(testing::internal::GetCapturedStderr(),
                              std::regex("[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z"),
                              "NOW");
  }
  // One value, as it comes out.
  static std::string value(std::string_view text) {
    const std::string line = lines([&] { Log(Log::kError, "e").add("k", text); });
    return line.substr(line.find('k') + 1);
  }
};

TEST_F(LogTest, TextIsWordsOnALine) {
  Log::setUp(Log::kInfo, Log::Format::kText);
  EXPECT_EQ(lines([] {
              Log(Log::kInfo, "answer_done").add("requestId", "r-7f3a").add("ms", 12).add("ok", true).add("s", 0.25);
            }),
            "NOW INFO answer_done requestId=r-7f3a ms=12 ok=true s=0.25\n");
  EXPECT_EQ(lines([] { Log(Log::kWarning, "e").add("why", "two words").add("none", ""); }),
            "NOW WARN e why=\"two words\" none=\"\"\n");
}

TEST_F(LogTest, JsonIsAnObjectOnALine) {
  Log::setUp(Log::kInfo, Log::Format::kJson);
  EXPECT_EQ(lines([] {
              Log(Log::kError, "answer_done")
                  .add("requestId", std::string("r\"1"))
                  .add("low", std::numeric_limits<std::int64_t>::min())
                  .add("high", std::numeric_limits<std::uint64_t>::max())
                  .add("no", false)
                  .add("odd", std::nan(""));
            }),
            "{\"time\":\"NOW\",\"level\":\"error\",\"event\":\"answer_done\",\"requestId\":\"r\\\"1\","
            "\"low\":-9223372036854775808,\"high\":18446744073709551615,\"no\":false,\"odd\":null}\n");
}

TEST_F(LogTest, LevelsBelowAreSilent) {
  Log::setUp(Log::kWarning, Log::Format::kText);
  EXPECT_EQ(lines([] {
              Log(Log::kDebug, "one").add("k", "v");
              Log(Log::kInfo, "two").add("k", 1).add("k", 1.5).add("k", true);
              Log(Log::kWarning, "three");
            }),
            "NOW WARN three\n");
}

TEST_F(LogTest, NothingThatIsLoggedLooksLikeAnotherLineOrField) {
  for (const Log::Format format : {Log::Format::kText, Log::Format::kJson}) {
    Log::setUp(Log::kInfo, format);
    const std::string end = format == Log::Format::kText ? "\n" : "}\n";
    const std::string begin = format == Log::Format::kText ? "=" : "\":";
    EXPECT_EQ(value("a\n2026-01-02 ERROR fake"), begin + "\"a\\n2026-01-02 ERROR fake\"" + end);
    EXPECT_EQ(value("x\" admin=\"yes\\"), begin + "\"x\\\" admin=\\\"yes\\\\\"" + end);
    EXPECT_EQ(value("x=y"), begin + "\"x=y\"" + end);
    EXPECT_EQ(value("\r\t\b\x1b[2J\x7f"), begin + "\"\\r\\t\\u0008\\u001b[2J\\u007f\"" + end);
    EXPECT_EQ(value(std::string_view("\0", 1)), begin + "\"\\u0000\"" + end);
    // NEL, a C1 control, LINE SEPARATOR, an override of direction, an isolate, a mark, a byte order mark.
    EXPECT_EQ(value("\u0085\u009b\u2028\u202e\u2066\u061c\ufeff"),
              begin + "\"\\u0085\\u009b\\u2028\\u202e\\u2066\\u061c\\ufeff\"" + end);
    EXPECT_EQ(value("gr\u00fc\u00dfe \u4f60\u597d \U0001F600 \u2014"),
              begin + "\"gr\u00fc\u00dfe \u4f60\u597d \U0001F600 \u2014\"" + end);
    EXPECT_EQ(value("\xff\xc3"), begin + "\"\uFFFD\uFFFD\"" + end);
    EXPECT_EQ(lines([] { Log(Log::kError, "a b\n").add("k\ne\"y", 1).add("level", 2); }),
              format == Log::Format::kText
                  ? "NOW ERROR a_b_ k_e_y=1 level_=2\n"
                  : "{\"time\":\"NOW\",\"level\":\"error\",\"event\":\"a_b_\",\"k_e_y\":1,\"level_\":2}\n");
  }
}

TEST_F(LogTest, ALongValueIsCut) {
  Log::setUp(Log::kInfo, Log::Format::kText);
  const std::string cut = value(std::string(5000, 'x'));
  EXPECT_LT(cut.size(), 1100u);
  EXPECT_NE(cut.find("\u2026\"\n"), std::string::npos) << cut;
}

TEST_F(LogTest, MuduoSpeaksTheSameWay) {
  Log::setUp(Log::kInfo, Log::Format::kJson);
  const std::string line = lines([] { LOG_WARN << "port 1 - is\ntaken"; });
  EXPECT_TRUE(std::regex_match(line, std::regex("\\{\"time\":\"NOW\",\"level\":\"warn\",\"event\":\"muduo\",\"message\":"
                                                "\"port 1 - is\\\\ntaken\",\"source\":\"log_test.cc:[0-9]+\","
                                                "\"thread\":\"[0-9]+\"\\}\n")))
      << line;
  EXPECT_EQ(lines([] { LOG_DEBUG << "hidden"; }), "");
  Log::setUp(Log::kError, Log::Format::kText);
  EXPECT_EQ(lines([] { LOG_WARN << "hidden, although Muduo would say it"; }), "");
}

TEST_F(LogTest, LinesOfManyThreadsStayWhole) {
  Log::setUp(Log::kInfo, Log::Format::kText);
  const std::string all = lines([] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < 200; ++n) Log(Log::kInfo, "e").add("text", std::string(300, 'x')).add("end", "z");
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  const std::string line = "NOW INFO e text=" + std::string(300, 'x') + " end=z\n";
  ASSERT_EQ(all.size(), 800 * line.size());
  for (std::size_t at = 0; at < all.size(); at += line.size()) ASSERT_EQ(all.compare(at, line.size(), line), 0) << at;
}

}  // namespace
}  // namespace ai_chat
