#include "ai_chat/wire.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ai_chat {
namespace {

using nlohmann::json;

template <typename T>
T decoded(const json& message) {
  const Command command = decodeCommand(message.dump());
  if (const auto* one = std::get_if<T>(&command)) return *one;
  const auto* bad = std::get_if<BadCommand>(&command);
  ADD_FAILURE() << message << ": " << (bad != nullptr ? bad->why : "another command");
  return T();
}

BadCommand refused(const std::string& text) {
  const Command command = decodeCommand(text);
  if (const auto* bad = std::get_if<BadCommand>(&command)) return *bad;
  ADD_FAILURE() << text << " was understood";
  return BadCommand();
}

BadCommand refused(const json& message) { return refused(message.dump()); }

std::string bytes(std::size_t n) { return std::string(n, 'x'); }

TEST(Wire, chat) {
  auto chat = decoded<ChatCommand>({{"type", "chat"}, {"sessionId", "s"}, {"message", "hi"}});
  EXPECT_EQ(Scope::session("s"), chat.scope);
  EXPECT_EQ("hi", chat.message);
  EXPECT_EQ("", chat.requestId);
  EXPECT_EQ("", chat.regenerate);
  chat = decoded<ChatCommand>({{"type", "chat"}, {"room", "r"}, {"sessionId", "s"}, {"message", "hi"}, {"requestId", "q"},
                               {"regenerate", "p"}, {"unknown", {1, 2}}});
  EXPECT_EQ(Scope::room("r"), chat.scope) << "a room counts for more";
  EXPECT_EQ("q", chat.requestId);
  EXPECT_EQ("p", chat.regenerate);
  chat = decoded<ChatCommand>({{"type", "chat"}, {"sessionId", "s"}, {"message", "hi"}, {"requestId", nullptr}});
  EXPECT_EQ("", chat.requestId) << "null says nothing";
}

TEST(Wire, chatThatIsWrong) {
  EXPECT_EQ("the field \"message\" is missing or not a string", refused({{"type", "chat"}, {"sessionId", "s"}}).why);
  EXPECT_EQ("the field \"message\" is empty",
            refused({{"type", "chat"}, {"sessionId", "s"}, {"message", ""}}).why);
  EXPECT_EQ("the field \"sessionId\" is missing or not a string", refused({{"type", "chat"}, {"message", "hi"}}).why);
  for (const json& wrong : std::vector<json>{{{"sessionId", ""}}, {{"sessionId", bytes(129)}}, {{"sessionId", 1}},
                                             {{"requestId", ""}}, {{"requestId", bytes(129)}}, {{"regenerate", 1}},
                                             {{"room", ""}}, {{"room", bytes(65)}}, {{"room", "a\nb"}}, {{"room", " a"}},
                                             {{"room", "a "}}, {{"message", {"hi"}}}}) {
    json message = {{"type", "chat"}, {"sessionId", "s"}, {"message", "hi"}};
    message.update(wrong);
    const BadCommand bad = refused(message);
    EXPECT_EQ("bad_request", bad.code) << message;
    EXPECT_NE(std::string::npos, bad.why.find("\"" + wrong.begin().key() + "\"")) << bad.why;
    EXPECT_TRUE(bad.awaitsAnswer);
  }
  EXPECT_EQ("q", refused({{"type", "chat"}, {"requestId", "q"}}).requestId) << "whose end the client waits for";
}

TEST(Wire, sizesAtTheirLimits) {
  EXPECT_EQ(128u, decoded<ResumeCommand>({{"type", "resume"}, {"sessionId", bytes(128)}, {"requestId", bytes(128)}})
                      .answer.requestId.size());
  EXPECT_EQ(64u, decoded<JoinCommand>({{"type", "join"}, {"room", bytes(64)}}).room.size());
  EXPECT_EQ(8192u, decoded<MessageCommand>({{"type", "message"}, {"id", "1"}, {"to", "a"}, {"text", bytes(8192)}}).text.size());
  refused({{"type", "message"}, {"id", "1"}, {"to", "a"}, {"text", bytes(8193)}});
  refused({{"type", "message"}, {"id", bytes(65)}, {"to", "a"}, {"text", "x"}});
  EXPECT_EQ("a", decoded<LoginCommand>({{"type", "login"}, {"user", "a"}, {"token", bytes(16)}}).user);
  refused({{"type", "login"}, {"user", "a"}, {"token", bytes(15)}});
  refused({{"type", "login"}, {"user", "a"}, {"token", bytes(129)}});
}

TEST(Wire, stopResumeAndHistory) {
  EXPECT_EQ(Scope::Kind::kNone, decoded<StopCommand>({{"type", "stop"}}).scope.kind);
  const auto stop = decoded<StopCommand>({{"type", "stop"}, {"requestId", "q"}, {"room", "r"}});
  EXPECT_EQ(Scope::room("r"), stop.scope);
  EXPECT_EQ("q", stop.requestId);
  const auto resume = decoded<ResumeCommand>({{"type", "resume"}, {"requestId", "q"}, {"sessionId", "s"}, {"after", 7}});
  EXPECT_EQ((AnswerId{Scope::session("s"), "q"}), resume.answer);
  EXPECT_EQ(7u, resume.after);
  EXPECT_EQ("", resume.answerId);
  EXPECT_EQ("a", decoded<ResumeCommand>({{"type", "resume"}, {"requestId", "q"}, {"sessionId", "s"}, {"answerId", "a"}}).answerId);
  for (const json& after : std::vector<json>{-1, 1.5, "7", true}) {
    EXPECT_TRUE(refused({{"type", "resume"}, {"requestId", "q"}, {"sessionId", "s"}, {"after", after}}).awaitsAnswer);
  }
  EXPECT_EQ("s", decoded<HistoryCommand>({{"type", "history"}, {"sessionId", "s"}}).sessionId);
}

TEST(Wire, pingAndPong) {
  EXPECT_EQ(R"({"type":"pong"})", encodePong(decoded<PingCommand>({{"type", "ping"}}).id));
  EXPECT_EQ(R"({"type":"pong","id":7})", encodePong(decoded<PingCommand>({{"type", "ping"}, {"id", 7}}).id));
  EXPECT_EQ(R"({"type":"pong","id":"a\"b"})", encodePong(decoded<PingCommand>({{"type", "ping"}, {"id", "a\"b"}}).id));
  refused({{"type", "ping"}, {"id", {1}}});
  refused({{"type", "ping"}, {"id", bytes(127)}});
}

TEST(Wire, people) {
  const auto direct = decoded<MessageCommand>({{"type", "message"}, {"id", "1"}, {"to", "ann"}, {"text", "hi"}});
  EXPECT_EQ("ann", direct.to);
  EXPECT_EQ("", direct.room);
  refused({{"type", "message"}, {"id", "1"}, {"text", "hi"}});
  refused({{"type", "message"}, {"id", "1"}, {"to", "a"}, {"room", "r"}, {"text", "hi"}});
  EXPECT_EQ("1", refused({{"type", "message"}, {"id", "1"}, {"to", "a"}}).id) << "which one was not stored";
  const auto received = decoded<ReceivedCommand>({{"type", "received"}, {"messageIds", {"a", "b"}}});
  EXPECT_EQ((std::vector<std::string>{"a", "b"}), received.messageIds);
  refused({{"type", "received"}, {"messageIds", {1}}});
  refused({{"type", "received"}, {"messageIds", json(std::vector<std::string>(1001, "a"))}});
  EXPECT_EQ("你", decoded<LeaveCommand>({{"type", "leave"}, {"room", "你"}}).room);
}

TEST(Wire, whatIsNoMessage) {
  EXPECT_EQ("unknown_type", refused({{"type", "dance"}, {"requestId", "q"}}).code);
  EXPECT_FALSE(refused({{"type", "dance"}, {"requestId", "q"}}).awaitsAnswer);
  for (const std::string& text : {std::string(), std::string("hi"), std::string("[]"), std::string("{}"), std::string("{\"type\":1}"),
                                  std::string("{\"type\":\"ping\"}\0", 16), std::string("{\"type\":\"ping\",\"x\":\"\xff\"}"),
                                  std::string(65, '[') + std::string(65, ']')}) {
    EXPECT_EQ("bad_request", refused(text).code) << text;
  }
}

TEST(Wire, statusesAndErrors) {
  EXPECT_EQ(R"({"type":"status","requestId":"q","status":"thinking"})", encodeStatus("q", "thinking"));
  EXPECT_EQ(R"({"type":"status","requestId":"q","status":"queued","position":3})", encodeQueued("q", 3));
  EXPECT_EQ(R"({"type":"status","requestId":"q","status":"retrying","retryAfter":1.5})", encodeRetrying("q", 1.5));
  EXPECT_EQ(R"({"type":"error","code":"c","message":"m","retryable":false})", encodeError({"c", "m"}));
  EXPECT_EQ(R"({"type":"error","requestId":"q","id":"i","code":"c","message":"m","retryable":true})",
            encodeError({"c", "m", true, "q", "i"}));
  EXPECT_EQ(R"({"type":"stream","requestId":"q","content":"","done":true,"finish_reason":"error"})", encodeRefused("q"));
  EXPECT_EQ(R"({"type":"service","node":"n","store":"redis","degraded":true})", encodeService("n", "redis", true));
}

TEST(Wire, history) {
  EXPECT_EQ(json::parse(R"({"type":"history","sessionId":"s","turns":[
                           {"role":"user","content":"a","requestId":"q"},
                           {"role":"assistant","content":"b","finish_reason":"stop"}]})"),
            json::parse(encodeHistory("s", {{"q", "a", "b", "stop"}})));
}

TEST(Wire, contentOfAMessage) {
  EXPECT_EQ("a\"你", contentOf(R"({"type":"stream","seq":1,"content":"a\"你","done":false})"));
  EXPECT_EQ("", contentOf(R"({"type":"error","code":"c"})"));
}

TEST(Wire, answersOfDifferentScopesDiffer) {
  EXPECT_NE((AnswerId{Scope::session("a"), "b"}).key(), (AnswerId{Scope::room("a"), "b"}).key());
  EXPECT_NE((AnswerId{Scope::session("a:b"), "c"}).key(), (AnswerId{Scope::session("a"), "b:c"}).key());
}

}  // namespace
}  // namespace ai_chat
