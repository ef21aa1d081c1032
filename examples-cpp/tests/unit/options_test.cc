#include "muduo_ws/WebSocketServer.h"

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

using wsmuduo::WebSocketServer;

namespace {

typedef WebSocketServer::Options Options;

/// What the constructor says about these options; empty when it takes them.
std::string problemOf(const std::function<void(Options*)>& change) {
  Options options;
  change(&options);
  try {
    WebSocketServer server(options);
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

bool names(const std::string& problem, const std::string& option) { return problem.find(option) != std::string::npos; }

}  // namespace

TEST(Options, ThatAreFine) {
  EXPECT_EQ(problemOf([](Options*) {}), "");
  EXPECT_EQ(problemOf([](Options* o) { o->originPolicy = WebSocketServer::kAnyOrigin; }), "");
  EXPECT_EQ(problemOf([](Options* o) { o->allowedOrigins = {"https://a.example", "http://b.example:8080"}; }), "");
  EXPECT_EQ(problemOf([](Options* o) { o->subprotocols = {"chat.v2", "chat.v1"}; }), "");
  EXPECT_EQ(problemOf([](Options* o) { o->handshakeTimeoutSeconds = o->writeStallSeconds = 0; }), "");
}

TEST(Options, ThatAreRefusedByName) {
  EXPECT_TRUE(names(problemOf([](Options* o) { o->maxMessageSize = 1ULL << 31; }), "maxMessageSize"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->maxFrameSize = 1ULL << 31; }), "maxFrameSize"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->maxBufferedAmount = 1ULL << 31; }), "maxBufferedAmount"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->maxHeadSize = 0; }), "maxHeadSize"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->pingIntervalSeconds = 604801; }), "pingIntervalSeconds"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->lowWaterMark = o->highWaterMark; }), "lowWaterMark"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->highWaterMark = o->maxBufferedAmount + 1; }), "highWaterMark"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->closeTimeoutSeconds = -1; }), "closeTimeoutSeconds"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->writeStallSeconds = -1; }), "writeStallSeconds"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->handshakeTimeoutSeconds = -1; }), "handshakeTimeoutSeconds"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->originPolicy = WebSocketServer::kAllowList; }), "allowedOrigins"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->allowedOrigins = {"not an origin"}; }), "not an origin"));
  EXPECT_TRUE(names(problemOf([](Options* o) { o->subprotocols = {"two words"}; }), "two words"));
  EXPECT_TRUE(names(problemOf([](Options* o) {
    o->originPolicy = WebSocketServer::kAnyOrigin;
    o->allowedOrigins = {"https://a.example"};
  }), "kAnyOrigin"));
}
