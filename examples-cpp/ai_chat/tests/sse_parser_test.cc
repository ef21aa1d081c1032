#include "ai_chat/sse_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace ai_chat {
namespace {

struct Seen {
  std::vector<std::string> events;  // "type|data"
  bool tooLong = false;
  bool operator==(const Seen& other) const { return events == other.events && tooLong == other.tooLong; }
};

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  for (const std::string& event : seen.events) out << "[" << event << "] ";
  return out << (seen.tooLong ? "too long" : "");
}

void pull(SseParser* parser, bool atEnd, Seen* seen) {
  SseEvent event;
  for (;;) {
    const SseParser::Status status = atEnd ? parser->finish(&event) : parser->next(&event);
    if (status == SseParser::Status::kTooLong) seen->tooLong = true;
    if (status != SseParser::Status::kEvent) return;
    seen->events.push_back(event.type + "|" + event.data);
  }
}

Seen parse(const std::vector<std::string_view>& pieces, bool finish, std::size_t limit = 1000) {
  SseParser parser(limit);
  Seen seen;
  for (const std::string_view piece : pieces) {
    parser.feed(piece);
    pull(&parser, false, &seen);
  }
  if (finish) pull(&parser, true, &seen);
  return seen;
}

void expectForEverySplit(std::string_view stream, const std::vector<std::string>& events, bool finish = false) {
  const Seen expected{events, false};
  for (std::size_t a = 0; a <= stream.size(); ++a) {
    for (std::size_t b = a; b <= stream.size(); ++b) {
      ASSERT_EQ(parse({stream.substr(0, a), stream.substr(a, b - a), stream.substr(b)}, finish), expected)
          << "cut at " << a << " and " << b;
    }
  }
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < stream.size(); ++i) bytes.push_back(stream.substr(i, 1));
  EXPECT_EQ(parse(bytes, finish), expected);
}

TEST(SseParser, EveryLineEnding) {
  expectForEverySplit("data: a\n\ndata: b\n\n", {"message|a", "message|b"});
  expectForEverySplit("data: a\r\n\r\ndata: b\r\n\r\n", {"message|a", "message|b"});
  expectForEverySplit("data: a\r\rdata: b\r\r", {"message|a", "message|b"});
  expectForEverySplit("data: a\r\n\ndata: b\n\r\n", {"message|a", "message|b"});
  expectForEverySplit("\n\r\n\r\ndata: a\n\n\n\n", {"message|a"});
}

TEST(SseParser, ALineThatEndsInCrNeedsNoLf) {
  EXPECT_EQ(parse({"data: a\r\r"}, false), (Seen{{"message|a"}, false}));
  EXPECT_EQ(parse({"data: a\r\n\r"}, false), (Seen{{"message|a"}, false}));
}

TEST(SseParser, Fields) {
  expectForEverySplit("event: error\ndata: x\nid: 7\nretry: 10\nwhat: ever\n\ndata: y\n\n", {"error|x", "message|y"});
  expectForEverySplit("data:a\ndata: b\ndata:  c\ndata\ndata:\n\n", {"message|a\nb\n c\n\n"});
  expectForEverySplit(": comment\n:\n: data: x\n\n", {});
  expectForEverySplit("event: x\n\ndata: a\n\n", {"message|a"});  // a type without data is forgotten
  expectForEverySplit("data:\n\n", {"message|"});
  expectForEverySplit("data: a:b: c\n\n", {"message|a:b: c"});
  expectForEverySplit(" data: a\n\nDATA: b\n\n", {});
}

TEST(SseParser, ByteOrderMarkOnlyAtTheBeginning) {
  expectForEverySplit("\xEF\xBB\xBF" "data: a\n\n\xEF\xBB\xBF" "data: b\n\n", {"message|a"});
}

TEST(SseParser, BytesAreLeftAlone) {
  expectForEverySplit("data: \xE4\xBD\xA0 \xFF\n\n", {"message|\xE4\xBD\xA0 \xFF"});
}

TEST(SseParser, TheEndOfTheStream) {
  expectForEverySplit("data: a\n\ndata: b\n", {"message|a"});
  expectForEverySplit("data: a\n\ndata: b\n", {"message|a", "message|b"}, /*finish=*/true);
  expectForEverySplit("data: a\n\ndata: b", {"message|a", "message|b"}, /*finish=*/true);
  expectForEverySplit("data: a\n\n", {"message|a"}, /*finish=*/true);
  expectForEverySplit("", {}, /*finish=*/true);
  expectForEverySplit(": bye", {}, /*finish=*/true);
}

TEST(SseParser, LimitOfALine) {
  const std::string line = "data: " + std::string(95, 'x');
  EXPECT_FALSE(parse({line.substr(0, 100)}, false, 100).tooLong);
  EXPECT_TRUE(parse({line}, false, 100).tooLong);
  EXPECT_TRUE(parse({line, "\n\n"}, false, 100).tooLong);
  // Also when it comes in one piece with its end, and for what is no data.
  EXPECT_TRUE(parse({line + "\n\n"}, false, 100).tooLong);
  EXPECT_TRUE(parse({":" + line}, false, 100).tooLong);
}

TEST(SseParser, LimitOfAnEvent) {
  const std::string line = "data: " + std::string(40, 'x') + "\n";
  EXPECT_TRUE(parse({line, line, line}, false, 100).tooLong);
  EXPECT_TRUE(parse({line + line + line + "\n"}, false, 100).tooLong);
  EXPECT_FALSE(parse({line + "\n" + line + "\n" + line + "\n"}, false, 100).tooLong);
}

TEST(SseParser, StaysRefusedAfterTheLimit) {
  SseParser parser(10);
  SseEvent event;
  parser.feed("data: 0123456789\n\n");
  EXPECT_EQ(parser.next(&event), SseParser::Status::kTooLong);
  parser.feed("data: a\n\n");
  EXPECT_EQ(parser.next(&event), SseParser::Status::kTooLong);
  EXPECT_EQ(parser.finish(&event), SseParser::Status::kTooLong);
}

TEST(SseParser, ManyEventsCostLinearTime) {
  std::string stream;
  for (int i = 0; i < 200000; ++i) stream += "data: x\n\n";
  EXPECT_EQ(parse({stream}, true).events.size(), 200000u);
  // One long line, a few bytes at a time.
  SseParser parser(10 * 1024 * 1024);
  SseEvent event;
  parser.feed("data: ");
  for (int i = 0; i < 500000; ++i) {
    parser.feed("0123456789");
    ASSERT_EQ(parser.next(&event), SseParser::Status::kNeedMore);
  }
  parser.feed("\n\n");
  ASSERT_EQ(parser.next(&event), SseParser::Status::kEvent);
  EXPECT_EQ(event.data.size(), 5000000u);
}

}  // namespace
}  // namespace ai_chat
