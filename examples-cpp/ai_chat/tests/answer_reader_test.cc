#include "ai_chat/answer_reader.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace ai_chat {
namespace {

using State = AnswerReader::State;
using Kind = AnswerReader::Failure::Kind;

struct Seen {
  State state = State::kOpen;
  std::string tokens;
  std::string finishReason;
  std::uint64_t total = 0;  // of the usage
  std::string error;        // message, words and status
  bool operator==(const Seen& other) const {
    return state == other.state && tokens == other.tokens && finishReason == other.finishReason &&
           total == other.total && error == other.error;
  }
};

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << static_cast<int>(seen.state) << " \"" << seen.tokens << "\" " << seen.finishReason << " " << seen.total
             << " " << seen.error;
}

constexpr AnswerReader::Limits kLimits{1000, 2000};

Seen read(const std::vector<std::string_view>& pieces, const std::string& mediaType = "text/event-stream",
          bool ends = true) {
  AnswerReader reader(mediaType, kLimits);
  Seen seen;
  for (const std::string_view piece : pieces) {
    reader.feed(piece);
    seen.state = reader.read(&seen.tokens);
    if (seen.state != State::kOpen) break;
  }
  if (ends) seen.state = reader.finish(&seen.tokens);
  seen.finishReason = reader.finishReason();
  if (reader.usage()) seen.total = reader.usage()->totalTokens;
  if (seen.state == State::kFailed) {
    const AnswerReader::Failure& failure = reader.failure();
    seen.error = failure.message + "|" + failure.words + "|" + std::to_string(failure.status);
  }
  return seen;
}

// However the body is cut.
void expectForEverySplit(std::string_view body, const Seen& expected,
                         const std::string& mediaType = "text/event-stream") {
  std::vector<std::string_view> bytes;
  for (std::size_t at = 0; at < body.size(); ++at) {
    bytes.push_back(body.substr(at, 1));
    ASSERT_EQ(read({body.substr(0, at), body.substr(at)}, mediaType), expected) << "cut at " << at;
    ASSERT_EQ(read({body.substr(0, at), body.substr(at, 1), body.substr(at + 1)}, mediaType), expected)
        << "cut around " << at;
  }
  EXPECT_EQ(read(bytes, mediaType), expected) << "byte by byte";
  EXPECT_EQ(read({body}, mediaType), expected) << "in one piece";
}

std::string replaceAll(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

const std::string kHello = "data: {\"choices\":[{\"delta\":{\"content\":\"Gr\u00fc\"}}]}\n\n"
                           "data: {\"choices\":[{\"delta\":{\"content\":\"\xC3\"},\"finish_reason\":null}]}\n\n"
                           "data: {\"choices\":[{\"delta\":{\"content\":\"\x9F" "e\"}}]}\n\n";
const std::string kStop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
const std::string kUsage = "data: {\"choices\":[],\"usage\":{\"total_tokens\":12}}\n\n";
const std::string kDone = "data: [DONE]\n\n";
const std::string kText = "Gr\u00fc\u00dfe";

// ---- streams ----

TEST(AnswerReader, EveryFormOfAStream) {
  const std::string stream = kHello + kStop + kUsage + kDone;
  const Seen whole{State::kDone, kText, "length", 12, ""};
  expectForEverySplit(stream, whole);
  expectForEverySplit(replaceAll(stream, "\n", "\r\n"), whole);
  expectForEverySplit(replaceAll(stream, "\n", "\r"), whole);
  expectForEverySplit("\xEF\xBB\xBF: comment\n\n" + replaceAll(stream, "data: ", ": alive\nid:7\ndata:"), whole);
  expectForEverySplit(replaceAll(stream, ",\"delta\"", ",\ndata:\"delta\""), whole);
  expectForEverySplit(kHello + kStop + kUsage, whole);           // [DONE] is missing
  expectForEverySplit(kHello + kUsage + kStop + kDone, whole);   // the usage before the reason
  expectForEverySplit(kHello + kStop + kUsage + "data: [DONE]", whole);
  expectForEverySplit(kHello + kUsage + kUsage + kStop + "data: [DONE]\n\nnonsense {\n\n", whole);
  expectForEverySplit(kHello + kDone, {State::kDone, kText, "", 0, ""});
  expectForEverySplit(kHello + kStop + kDone, {State::kDone, kText, "length", 0, ""});
  expectForEverySplit(kStop + kDone, {State::kDone, "", "length", 0, ""});
  const std::string both = R"(data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"total_tokens":3}})";
  expectForEverySplit(kHello + both + "\n\n" + kDone, {State::kDone, kText, "stop", 3, ""});
}

TEST(AnswerReader, UsageInEveryChunkIsAsTheLastOneSays) {
  const std::string stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"total_tokens\":1}}\n\n"
                             "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"total_tokens\":2}}\n\n"
                             "data: {\"choices\":[],\"usage\":null}\n\n";
  EXPECT_EQ(read({stream, kStop, kDone}), (Seen{State::kDone, "ab", "length", 2, ""}));
}

TEST(AnswerReader, AStreamThatEndsWithTheWholeAnswerSaysItOnce) {
  const std::string message =
      "data: {\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"stop\"}]}\n\n";
  EXPECT_EQ(read({kHello, message, kDone}), (Seen{State::kDone, kText, "stop", 0, ""}));
  EXPECT_EQ(read({message, kDone}), (Seen{State::kDone, "whole", "stop", 0, ""}));
}

TEST(AnswerReader, StaysOpenUntilSomebodySaysThatItIsOver) {
  EXPECT_EQ(read({kHello, kStop}, "", false), (Seen{State::kOpen, kText, "length", 0, ""}));
  EXPECT_EQ(read({}, "", false), (Seen{}));
  EXPECT_EQ(read({" \r\n\r\n", "\n"}, "application/json", false), (Seen{}));
}

TEST(AnswerReader, CountsPiecesAndSigns) {
  AnswerReader reader("", kLimits);
  std::string tokens;
  const auto after = [&](std::string_view bytes) {
    reader.feed(bytes);
    reader.read(&tokens);
    return std::vector<std::size_t>{reader.pieces(), reader.signs()};
  };
  using Counts = std::vector<std::size_t>;
  EXPECT_EQ(after(": alive\n\ndata: {}\n\n"), (Counts{0, 0}));
  EXPECT_EQ(after("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"), (Counts{0, 0}));
  EXPECT_EQ(after("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"), (Counts{0, 1}));
  EXPECT_EQ(after(kHello), (Counts{3, 4}));
  EXPECT_EQ(after(kStop), (Counts{3, 4}));
}

// ---- one JSON text ----

const std::string kWhole =
    "\r\n\r\n {\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
    "\"content\":\"Gr\u00fc\\u00dfe\"},\"finish_reason\":\"stop\"}],\r\n"
    "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n";

TEST(AnswerReader, AWholeCompletion) {
  for (const char* type : {"application/json", "", "text/event-stream", "text/plain"}) {
    expectForEverySplit(kWhole, {State::kDone, kText, "stop", 3, ""}, type);
  }
  EXPECT_EQ(read({kWhole}, "application/json", false).state, State::kOpen);
  EXPECT_EQ(read({R"({"choices":[{"message":{"content":"x"}}]})"}), (Seen{State::kDone, "x", "", 0, ""}));
}

TEST(AnswerReader, AStreamThatIsCalledJson) {
  for (const char* type : {"application/json", "text/plain", "application/octet-stream"}) {
    expectForEverySplit(kHello + kStop + kDone, {State::kDone, kText, "length", 0, ""}, type);
    EXPECT_EQ(read({": comment\n\n", kHello, kDone}, type), (Seen{State::kDone, kText, "", 0, ""})) << type;
  }
}

// ---- failures ----

Seen failed(const std::string& error, const std::string& tokens = "", const std::string& finishReason = "") {
  return {State::kFailed, tokens, finishReason, 0, error};
}

TEST(AnswerReader, BrokenOff) {
  expectForEverySplit(kHello, failed("the model's server ended the answer before it was complete||0", kText));
  EXPECT_EQ(read({}), failed("the model's server sent an empty answer||0"));
  EXPECT_EQ(read({"\n\n: comments\n\n"}), failed("the model's server sent an empty answer||0"));
  AnswerReader reader("", kLimits);
  std::string tokens;
  EXPECT_EQ(reader.finish(&tokens), State::kFailed);
  EXPECT_EQ(reader.failure().kind, Kind::kBrokeOff);
}

TEST(AnswerReader, Nonsense) {
  const std::string notAPart = "the model's server sent something that is not a part of an answer: ";
  expectForEverySplit(kHello + "data: {\"choices\":\n\n" + kDone, failed(notAPart + "not JSON||0", kText));
  expectForEverySplit("{\"choices\":[", failed(notAPart + "not JSON||0"));
  EXPECT_EQ(read({"{}"}), failed("the model's server answered with JSON that is no completion||0"));
  EXPECT_EQ(read({"<html>"}, "text/html", false),
            failed("the model's server answered with text/html instead of an event stream||0"));
  EXPECT_EQ(read({"delayed"}, "text/html"),
            failed("the model's server answered with text/html instead of an event stream||0"));
  EXPECT_EQ(read({"[1]"}, "application/json"),
            failed("the model's server answered with application/json instead of an event stream||0"));
}

TEST(AnswerReader, TooLong) {
  const std::string event = "data: {\"choices\":[{\"delta\":{\"content\":\"" + std::string(900, 'x') + "\"}}]}\n\n";
  EXPECT_EQ(read({event, event, event}), failed("the answer is longer than 2000 bytes||0", std::string(1800, 'x')));
  EXPECT_EQ(read({"data: " + std::string(1001, 'x')}, "", false),
            failed("the model's server sent an event longer than 1000 bytes||0"));
  const auto whole = [](std::size_t size) {
    return R"({"choices":[{"message":{"content":")" + std::string(size, 'x') + R"("}}]})";
  };
  EXPECT_EQ(read({whole(2000)}).tokens.size(), 2000u);
  EXPECT_EQ(read({whole(2001)}), failed("the answer is longer than 2000 bytes||0"));
  EXPECT_EQ(read({"{", std::string(6000, ' ')}, "", false), failed("the answer is longer than 2000 bytes||0"));
}

TEST(AnswerReader, ReportedErrors) {
  const std::string reported = "the model's server reported an error|";
  const std::string error = R"({"error":{"message":"GPU on\nfire","code":503}})";
  expectForEverySplit(kHello + "data: " + error + "\n\n", failed(reported + "GPU on fire|503", kText));
  expectForEverySplit("event: error\ndata: {\"message\":\"oops\"}\n\n", failed(reported + "oops|0"));
  expectForEverySplit("error: " + error + "\n\n", failed(reported + "GPU on fire|503"));
  expectForEverySplit(error, failed(reported + "GPU on fire|503"), "application/json");
  EXPECT_EQ(read({"event: error\ndata: out of memory\n\n"}), failed(reported + "|0"));
  EXPECT_EQ(read({kHello, "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n"}),
            failed(reported + "|0", kText));
}

}  // namespace
}  // namespace ai_chat
