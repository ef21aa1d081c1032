#include "ai_chat/model_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "ai_chat/json_bytes.h"
#include "ai_chat/utf8.h"

namespace ai_chat {
namespace {

using nlohmann::json;

std::string nested(int depth, char open, char close) {
  return std::string(static_cast<std::size_t>(depth), open) + std::string(static_cast<std::size_t>(depth), close);
}

// ---- what is asked ----

TEST(ModelJson, CompletionRequest) {
  const std::vector<Turn> turns = {
      {Turn::Role::kUser, "q1"}, {Turn::Role::kAssistant, "a1"}, {Turn::Role::kUser, "q2 \u4f60\"\n"}};
  const json messages = json::parse(R"([{"role":"user","content":"q1"},{"role":"assistant","content":"a1"},
      {"role":"user","content":"q2 \u4f60\"\n"}])");
  EXPECT_EQ(json::parse(encodeCompletionRequest("m", turns, true)),
            (json{{"model", "m"}, {"messages", messages}, {"stream", true},
                  {"stream_options", {{"include_usage", true}}}}));
  EXPECT_EQ(json::parse(encodeCompletionRequest("m", turns, false)),
            (json{{"model", "m"}, {"messages", messages}, {"stream", true}}));
  // Never throws, never sends what is not UTF-8.
  EXPECT_TRUE(isUtf8(encodeCompletionRequest("m\xFF", {{Turn::Role::kUser, "\xE4\xBD"}}, true)));
}

// ---- the model's events ----

TEST(Chunk, Deltas) {
  const Chunk text = decodeChunk(R"({"choices":[{"index":0,"delta":{"content":"\u4f60"},"finish_reason":null}]})");
  EXPECT_EQ(text.kind, Chunk::Kind::kDelta);
  EXPECT_EQ(text.content, "\u4f60");
  EXPECT_EQ(text.finishReason, "");

  EXPECT_EQ(decodeChunk(R"({"choices":[{"delta":{},"finish_reason":"stop"}]})").finishReason, "stop");
  EXPECT_TRUE(decodeChunk(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})").reasoning);
  for (const char* nothing : {R"({"choices":[],"usage":{"total_tokens":3}})", R"({"choices":null})", "{}",
                              R"({"choices":[{"delta":{"role":"assistant","content":null}}]})",
                              R"({"choices":[{"delta":null}]})", R"({"error":null,"choices":[{}]})"}) {
    const Chunk chunk = decodeChunk(nothing);
    EXPECT_EQ(chunk.kind, Chunk::Kind::kDelta) << nothing;
    EXPECT_EQ(chunk.content + chunk.finishReason, "") << nothing;
    EXPECT_FALSE(chunk.reasoning) << nothing;
  }
}

TEST(Chunk, Broken) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("3"), std::string("\"x\""),
        std::string("[DONE]"), std::string(R"({"choices":{}})"), std::string(R"({"choices":[1]})"),
        std::string(R"({"choices":[{"delta":[]}]})"), std::string(R"({"choices":[{"delta":{"content":7}}]})"),
        std::string(R"({"choices":[{"delta":{"content":["a"]}}]})"),
        std::string(R"({"choices":[{"delta":{"content":[{"text":"a"}]}}]})"),
        std::string(R"({"choices":[{"delta":{"content":[{"type":"text"}]}}]})"),
        std::string(R"({"choices":[{"message":3}]})"), std::string("{}\0", 3),
        std::string(R"({"choices":[{"delta":{},"finish_reason":1}]})"), nested(100000, '[', ']')}) {
    const Chunk chunk = decodeChunk(text);
    EXPECT_EQ(chunk.kind, Chunk::Kind::kBroken) << text.substr(0, 100);
    EXPECT_FALSE(chunk.why.empty());
  }
}

TEST(Chunk, Error) {
  const char* text = R"({"error":{"message":"over\nloaded","type":"server_error"}})";
  EXPECT_EQ(decodeChunk(text).kind, Chunk::Kind::kError);
  EXPECT_EQ(decodeErrorMessage(text), "over loaded");
  EXPECT_EQ(decodeErrorMessage(R"({"error":"plain"})"), "plain");
  EXPECT_EQ(decodeErrorMessage(R"({"message":"m"})"), "m");
  EXPECT_EQ(decodeErrorMessage(R"({"detail":"d"})"), "d");
  EXPECT_EQ(decodeErrorMessage(R"({"error":{"code":7}})"), R"({"code":7})");
  EXPECT_EQ(decodeErrorMessage("<html>"), "");
  EXPECT_EQ(decodeErrorMessage("[1]"), "");
  EXPECT_EQ(decodeErrorMessage("{\"error\":\"half \xE4\xBD\"}"), "half \uFFFD");
}

TEST(Chunk, PartsOfContent) {
  const Chunk parts = decodeChunk(
      R"({"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"a"},
          {"type":"text","text":"b"}]}}]})");
  EXPECT_EQ(parts.content, "ab");
  EXPECT_TRUE(parts.reasoning);
  EXPECT_EQ(decodeChunk(R"({"choices":[{"delta":{"content":null,"refusal":"No."}}]})").content, "No.");
}

TEST(Chunk, AWholeCompletion) {
  const Chunk whole = decodeChunk(R"({"choices":[{"index":0,"message":{"role":"assistant","content":"all"},
      "finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}})");
  EXPECT_EQ(whole.kind, Chunk::Kind::kDelta);
  EXPECT_TRUE(whole.isMessage && whole.hasChoice);
  EXPECT_EQ(whole.content, "all");
  EXPECT_EQ(whole.finishReason, "length");
  EXPECT_EQ(whole.usage->totalTokens, 12u);
  // Where both are told, the delta is what is new.
  const Chunk both = decodeChunk(R"({"choices":[{"delta":{"content":"b"},"message":{"content":"ab"}}]})");
  EXPECT_EQ(both.content, "b");
  EXPECT_FALSE(both.isMessage);
}

TEST(Chunk, FinishReasonIsOneShortLine) {
  EXPECT_EQ(decodeChunk("{\"choices\":[{\"finish_reason\":\"a\\nb\xFF\"}]}").finishReason, "a b\uFFFD");
  const std::string longOne = R"({"choices":[{"finish_reason":")" + std::string(1000, 'x') + R"("}]})";
  const std::string reason = decodeChunk(longOne).finishReason;
  EXPECT_LE(reason.size(), 70u);
  EXPECT_EQ(reason.substr(0, 10), "xxxxxxxxxx");
}

TEST(Chunk, Usage) {
  const auto usage = [](const std::string& text) {
    return decodeChunk(R"({"choices":[],"usage":)" + text + "}").usage;
  };
  const auto all = usage(R"({"prompt_tokens":9,"completion_tokens":3,"total_tokens":13,"x":{}})");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->promptTokens, 9u);
  EXPECT_EQ(all->completionTokens, 3u);
  EXPECT_EQ(all->totalTokens, 13u);
  EXPECT_EQ(usage(R"({"prompt_tokens":9,"completion_tokens":3})")->totalTokens, 12u);
  EXPECT_EQ(usage(R"({"completion_tokens":3.0,"prompt_tokens":null})")->totalTokens, 3u);
  for (const char* none : {"null", "{}", "7", "[]", R"({"prompt_tokens":-1})", R"({"prompt_tokens":"9"})",
                           R"({"total_tokens":1e300})", R"({"total_tokens":null})"}) {
    EXPECT_FALSE(usage(none)) << none;
  }
  // On the last chunk with a choice, as some have it.
  const Chunk last = decodeChunk(
      R"({"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"total_tokens":5}})");
  EXPECT_EQ(last.content, "x");
  EXPECT_EQ(last.finishReason, "stop");
  EXPECT_EQ(last.usage->totalTokens, 5u);
}

TEST(Chunk, ErrorsTellTheirStatus) {
  const auto status = [](std::string_view text) {
    const Chunk chunk = decodeChunk(text);
    EXPECT_EQ(chunk.kind, Chunk::Kind::kError) << text;
    return chunk.status;
  };
  EXPECT_EQ(status(R"({"error":{"message":"m","code":429}})"), 429);
  EXPECT_EQ(status(R"({"error":{"message":"m","code":"503"}})"), 503);
  EXPECT_EQ(status(R"({"error":{"code":"rate_limit","status":429}})"), 429);
  EXPECT_EQ(status(R"({"error":"m","code":500})"), 500);
  EXPECT_EQ(status(R"({"object":"error","message":"m","code":400})"), 400);
  for (const char* none : {R"({"error":"m"})", R"({"error":{"code":"x"}})", R"({"error":{"code":200}})",
                           R"({"error":{"code":1e99}})", R"({"error":{"code":""}})", R"({"error":{"code":[429]}})",
                           R"({"error":{}})", R"({"error":{"code":18446744073709551615}})"}) {
    EXPECT_EQ(status(none), 0) << none;
  }
  EXPECT_EQ(decodeChunk(R"({"error":"","choices":[{"delta":{"content":"a"}}]})").content, "a");
  EXPECT_EQ(decodeErrorMessage(R"({"object":"error","message":"m"})"), "m");
}

// ---- halves of characters ----

std::string wrap(std::string_view content) {
  return "{\"choices\":[{\"delta\":{\"content\":\"" + std::string(content) + "\"}}]}";
}

TEST(Chunk, HalvesOfCharactersComeThrough) {
  EXPECT_EQ(decodeChunk(wrap("a\xE4\xBD")).content, "a\xE4\xBD");
  EXPECT_EQ(decodeChunk(wrap("\xA0z")).content, "\xA0z");
  EXPECT_EQ(decodeChunk(wrap("\\ud83d")).content, "\xED\xA0\xBD");
  EXPECT_EQ(decodeChunk(wrap("\\ude00")).content, "\xED\xB8\x80");
  EXPECT_EQ(decodeChunk(wrap("\\\\ud83d\xFF")).content, "\\ud83d\xFF");
  EXPECT_EQ(decodeChunk(wrap("\\ud83d\\ud83d\\ude00")).content, "\xED\xA0\xBD\U0001F600");
  // The code points that carry the bytes are themselves carried.
  EXPECT_EQ(decodeChunk(wrap("\U0010FF41\xFF\\udbff\\udf41\\n")).content, "\U0010FF41\xFF\U0010FF41\n");
  EXPECT_EQ(decodeChunk(wrap("\U0010FF41")).content, "\U0010FF41");
  // Outside a string such bytes stay what they are: nonsense.
  EXPECT_EQ(decodeChunk("\xFF{}").kind, Chunk::Kind::kBroken);
  EXPECT_EQ(decodeChunk(wrap("\\u12")).kind, Chunk::Kind::kBroken);
  EXPECT_EQ(decodeChunk(wrap("\xFF\\")).kind, Chunk::Kind::kBroken);
}

TEST(Chunk, ATextCutAtAnyByteIsWholeAgain) {
  const std::string text = "h\u00e9 \u4f60\u597d \U0001F600 \U0010FF41 end";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(decodeChunk(wrap(text.substr(0, cut))).content + decodeChunk(wrap(text.substr(cut))).content, text)
        << "cut at " << cut;
  }
}

TEST(JsonBytes, AnyBytesSurvive) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    if (i < 0x20 || i == '"' || i == '\\') continue;
    all.push_back(static_cast<char>(static_cast<unsigned char>(i)));
  }
  const json parsed = json::parse("\"" + packBytes(all) + "\"");
  EXPECT_EQ(unpackBytes(parsed.get<std::string>()), all);
  EXPECT_EQ(packBytes(R"({"a":"\n\"\u0041\\"})"), R"({"a":"\n\"\u0041\\"})");
}

}  // namespace
}  // namespace ai_chat
