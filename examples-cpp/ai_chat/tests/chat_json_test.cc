#include "ai_chat/chat_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <variant>

#include "ai_chat/utf8.h"

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

}  // namespace
}  // namespace ai_chat
