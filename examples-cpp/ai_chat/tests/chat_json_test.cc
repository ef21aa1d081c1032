#include "ai_chat/chat_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <variant>

#include "ai_chat/json_bytes.h"
#include "ai_chat/utf8.h"
#include "ai_chat/utf8_hold.h"

namespace ai_chat {
namespace {

using nlohmann::json;

bool isBad(std::string_view text) {
  const Command command = decodeCommand(text);
  const auto* bad = std::get_if<BadCommand>(&command);
  return bad != nullptr && !bad->why.empty() && isUtf8(bad->why);
}

std::string nested(int depth, char open, char close) {
  return std::string(static_cast<std::size_t>(depth), open) + std::string(static_cast<std::size_t>(depth), close);
}

// ---- the browser's messages ----

TEST(Command, Chat) {
  const Command command = decodeCommand(R"({"type":"chat","sessionId":"s-1","message":"\u4f60\u597d \"x\"\n"})");
  const auto& chat = std::get<ChatCommand>(command);
  EXPECT_EQ(chat.sessionId, "s-1");
  EXPECT_EQ(chat.message, "\u4f60\u597d \"x\"\n");
}

TEST(Command, Stop) {
  EXPECT_TRUE(std::holds_alternative<StopCommand>(decodeCommand(R"({"type":"stop"})")));
  EXPECT_TRUE(std::holds_alternative<StopCommand>(decodeCommand(R"( {"x":[1,{}],"type":"stop","seq":1} )")));
}

TEST(Command, OfDuplicateKeysTheLastOneCounts) {
  const Command command = decodeCommand(R"({"type":"stop","type":"chat","sessionId":"a","message":"1","message":"2"})");
  EXPECT_EQ(std::get<ChatCommand>(command).message, "2");
}

TEST(Command, Hostile) {
  const std::string longId(129, 'x');
  const std::string cases[] = {
      "", " ", "{", "}", "[]", "null", "true", "1", "\"chat\"", "{}", "{\"type\":null}", "{\"type\":7}",
      "{\"type\":\"\"}", "{\"type\":\"Chat\"}", "{\"type\":[\"chat\"]}", "{\"type\":\"stop\"}x", "{\"type\":\"stop\",}",
      "{'type':'stop'}", "{\"type\":\"stop\"", "/**/{\"type\":\"stop\"}", "{\"type\":\"stop\",\"n\":1e999}",
      "{\"type\":\"stop\",\"n\":01}", "{\"type\":\"stop\",\"n\":NaN}",
      R"({"type":"chat"})", R"({"type":"chat","sessionId":"s"})", R"({"type":"chat","message":"m"})",
      R"({"type":"chat","sessionId":"","message":"m"})", R"({"type":"chat","sessionId":"s","message":""})",
      R"({"type":"chat","sessionId":5,"message":"m"})", R"({"type":"chat","sessionId":"s","message":{"a":1}})",
      R"({"type":"chat","sessionId":"s","message":["m"]})", R"({"type":"chat","sessionId":null,"message":"m"})",
      R"({"type":"chat","sessionId":"s","message":"\ud83d"})", R"({"type":"chat","sessionId":"s","message":"\u12"})",
      "{\"type\":\"chat\",\"sessionId\":\"s\",\"message\":\"\xE4\xBD\"}",
      "{\"type\":\"chat\",\"sessionId\":\"s\",\"message\":\"a\nb\"}",
      "{\"type\":\"chat\",\"sessionId\":\"" + longId + "\",\"message\":\"m\"}",
  };
  for (const std::string& text : cases) EXPECT_TRUE(isBad(text)) << text;
  EXPECT_TRUE(isBad(std::string_view("{\"type\":\"stop\"}\0", 16)));
}

TEST(Command, DepthIsBounded) {
  EXPECT_TRUE(isBad(nested(1000000, '[', ']')));
  EXPECT_TRUE(isBad(std::string(1000000, '[')));
  EXPECT_TRUE(isBad("{\"type\":\"stop\",\"x\":" + nested(64, '[', ']') + "}"));
  EXPECT_FALSE(isBad("{\"type\":\"stop\",\"x\":" + nested(63, '[', ']') + "}"));
  // Brackets in strings do not count, with whatever quotes around.
  EXPECT_FALSE(isBad("{\"type\":\"stop\",\"x\":\"\\\"" + nested(500, '[', ']') + "\\\\\"}"));
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  EXPECT_TRUE(isBad(objects));
}

// ---- what is sent ----

TEST(Encode, StreamAndError) {
  EXPECT_EQ(json::parse(encodeStream("\u4f60 \"\\\n<img>", false)),
            (json{{"type", "stream"}, {"content", "\u4f60 \"\\\n<img>"}, {"done", false}}));
  EXPECT_EQ(json::parse(encodeStream("", true)), (json{{"type", "stream"}, {"content", ""}, {"done", true}}));
  EXPECT_EQ(json::parse(encodeError("busy", "why")), (json{{"type", "error"}, {"code", "busy"}, {"message", "why"}}));
  // Never throws, never sends what is not UTF-8.
  EXPECT_TRUE(isUtf8(encodeStream("a\xFF", false)));
}

TEST(Encode, CompletionRequest) {
  const json request = json::parse(encodeCompletionRequest(
      "m", {{Turn::Role::kUser, "q1"}, {Turn::Role::kAssistant, "a1"}, {Turn::Role::kUser, "q2"}}));
  EXPECT_EQ(request["model"], "m");
  EXPECT_EQ(request["stream"], true);
  EXPECT_EQ(request["messages"], json::parse(R"([{"role":"user","content":"q1"},
      {"role":"assistant","content":"a1"},{"role":"user","content":"q2"}])"));
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
        std::string("[DONE]"),
        std::string(R"({"choices":{}})"), std::string(R"({"choices":[1]})"),
        std::string(R"({"choices":[{"delta":[]}]})"), std::string(R"({"choices":[{"delta":{"content":7}}]})"),
        std::string(R"({"choices":[{"delta":{"content":["a"]}}]})"),
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

TEST(Chunk, ATextCutAtAnyByteIsJoinedAgain) {
  const std::string_view text = "h\u00e9 \u4f60\u597d \U0001F600 \U0010FF41 end";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Hold hold;
    std::string joined;
    hold.feed(decodeChunk(wrap(text.substr(0, cut))).content, &joined);
    EXPECT_TRUE(isUtf8(joined));
    hold.feed(decodeChunk(wrap(text.substr(cut))).content, &joined);
    hold.finish(&joined);
    EXPECT_EQ(joined, text) << "cut at " << cut;
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
