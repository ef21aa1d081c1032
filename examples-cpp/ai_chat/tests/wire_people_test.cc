#include <gtest/gtest.h>

#include "ai_chat/store.h"
#include "ai_chat/wire.h"

namespace ai_chat {
namespace {

TEST(WirePeople, SaysWhatTheDocumentationSays) {
  EXPECT_EQ(encodeWelcome("ann", "n-1", 2), R"({"type":"welcome","user":"ann","node":"n-1","unread":2})");
  const bool delivered = false;
  EXPECT_EQ(encodeAck("7", "m-1", &delivered), R"({"type":"ack","id":"7","messageId":"m-1","delivered":false})");
  EXPECT_EQ(encodeAck("7", "m-1", nullptr), R"({"type":"ack","id":"7","messageId":"m-1"})");
  EXPECT_EQ(encodeLeft("lobby"), R"({"type":"left","room":"lobby"})");
  EXPECT_EQ(encodePresence("lobby", "ann", true), R"({"type":"presence","room":"lobby","user":"ann","online":true})");
}

TEST(WirePeople, Posts) {
  Post direct;
  direct.messageId = "m-1";
  direct.id = "7";  // the sender's, and nobody else's
  direct.from = "ann";
  direct.to = "bob";
  direct.text = "hi \"bob\"\n\x01\u4f60";
  direct.at = 1700000000123;
  EXPECT_EQ(encodePost(direct), "{\"type\":\"message\",\"messageId\":\"m-1\",\"from\":\"ann\",\"to\":\"bob\","
                                "\"text\":\"hi \\\"bob\\\"\\n\\u0001\u4f60\",\"at\":1700000000123}");
  Post answer;
  answer.messageId = "m-2";
  answer.room = "lobby";
  answer.text = "yes";
  answer.requestId = "r-1";
  answer.finishReason = "stop";
  answer.at = 1;
  EXPECT_EQ(encodePost(answer), R"({"type":"message","messageId":"m-2","from":null,"room":"lobby","text":"yes","at":1,)"
                                R"("requestId":"r-1","finish_reason":"stop"})");
}

TEST(WirePeople, Joined) {
  EXPECT_EQ(encodeJoined("lobby", RoomState()),
            R"({"type":"joined","room":"lobby","members":[],"messages":[],"answers":[]})");
  RoomState state;
  state.members = {"ann", "\u4f60"};
  Post post;
  post.messageId = "m-1";
  post.from = "ann";
  post.room = "lobby";
  post.text = "hi";
  state.posts.push_back(post);
  state.answers.push_back({"r-1", 5});
  EXPECT_EQ(encodeJoined("lobby", state),
            "{\"type\":\"joined\",\"room\":\"lobby\",\"members\":[\"ann\",\"\u4f60\"],\"messages\":[" +
                encodePost(post) + "],\"answers\":[{\"requestId\":\"r-1\",\"seq\":5}]}");
}

// What is not UTF-8 must not end the server; where it could come from is checked elsewhere.
TEST(WirePeople, IsAlwaysUtf8) { EXPECT_EQ(encodeLeft("a\xff"), "{\"type\":\"left\",\"room\":\"a\uFFFD\"}"); }

}  // namespace
}  // namespace ai_chat
