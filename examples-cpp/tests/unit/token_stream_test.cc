// Token streams with a callback; those of a connection are tested over sockets.
#include "muduo_ws/WebSocketServer.h"

#include <muduo/net/EventLoop.h>
#include <muduo/net/EventLoopThread.h>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

using muduo::net::EventLoop;
using wsmuduo::TokenStream;
using wsmuduo::TokenStreamPtr;
using wsmuduo::WebSocketServer;

namespace {

std::string text(const TokenStream::Message& message) { return message.json.as_string(); }

/// A message of an answer without a requestId.
std::string piece(int seq, const std::string& content, const std::string& end = std::string()) {
  return "{\"type\":\"stream\",\"seq\":" + std::to_string(seq) + ",\"content\":\"" + content +
         "\",\"done\":" + (end.empty() ? "false" : "true,\"finish_reason\":\"" + end + "\"") + "}";
}

WebSocketServer::Options merging(double seconds) {
  WebSocketServer::Options options;
  options.tokenMergeSeconds = seconds;
  return options;
}

/// A loop of this thread and a server whose streams write down what they are told.
class TokenStreamTest : public testing::Test {
 protected:
  explicit TokenStreamTest(double mergeSeconds = 10) : server_(new WebSocketServer(merging(mergeSeconds))) {}

  TokenStreamPtr make(const std::string& id = std::string()) {
    return server_->newTokenStream(&loop_, id, [this](const TokenStream::Message& message) {
      EXPECT_EQ(text(message).find("\"done\":true") != std::string::npos, message.isDone);
      heard_.push_back(text(message));
      if (onMessage_) onMessage_(message);
      if (message.isDone && quitsWhenDone_) loop_.quit();
    });
  }

  /// Turns the loop for what waits in it.
  void turn() {
    loop_.runAfter(0.005, [this]() { loop_.quit(); });
    loop_.loop();
  }
  /// Does it in the loop, and turns that until it is told to quit.
  void runInLoop(const std::function<void()>& task) {
    loop_.runAfter(0.001, task);
    loop_.loop();
  }

  typedef std::vector<std::string> Texts;

  EventLoop loop_;
  std::unique_ptr<WebSocketServer> server_;
  Texts heard_;
  std::function<void(const TokenStream::Message&)> onMessage_;
  bool quitsWhenDone_ = false;
};

class EagerTokenStreamTest : public TokenStreamTest {
 protected:
  EagerTokenStreamTest() : TokenStreamTest(0) {}
};

class QuickTokenStreamTest : public TokenStreamTest {
 protected:
  QuickTokenStreamTest() : TokenStreamTest(0.02) {}
};

}  // namespace

// ---- what is said ----

TEST_F(TokenStreamTest, TheFirstTextLeavesAtOnceAndTheRestIsMerged) {
  const TokenStreamPtr stream = make();
  EXPECT_TRUE(stream->write("Hel"));
  EXPECT_EQ(heard_, Texts({piece(1, "Hel")}));
  EXPECT_TRUE(stream->write("lo "));
  EXPECT_TRUE(stream->write("\"you\""));
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_FALSE(stream->isFinished());
  EXPECT_TRUE(stream->finish("stop"));
  EXPECT_EQ(heard_, Texts({piece(1, "Hel"), piece(2, "lo \\\"you\\\"", "stop")}));
  EXPECT_TRUE(stream->isFinished());
}

TEST_F(TokenStreamTest, ACharacterIsNeverCut) {
  const TokenStreamPtr stream = make();
  for (const char* byte = "caf\xC3\xA9"; *byte != '\0'; ++byte) stream->write(muduo::StringPiece(byte, 1));
  stream->write("\xE2\x82");  // and never comes whole
  stream->finish("length");
  EXPECT_EQ(heard_, Texts({piece(1, "c"), piece(2, "af\xC3\xA9\xEF\xBF\xBD", "length")}));
}

TEST_F(TokenStreamTest, HowItEnds) {
  const TokenStream::Usage usage = {9, 3, 12};
  make("r-1")->finish("", &usage);
  const TokenStreamPtr failed = make("r-2");
  failed->write("so far");
  EXPECT_TRUE(failed->fail("upstream_timeout", "it said \"no\"", true));
  const TokenStreamPtr cancelled = make();
  cancelled->write("x");
  EXPECT_TRUE(cancelled->cancel());
  EXPECT_EQ(heard_, Texts({
    "{\"type\":\"stream\",\"requestId\":\"r-1\",\"seq\":1,\"content\":\"\",\"done\":true,\"finish_reason\":\"stop\","
    "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}",
    "{\"type\":\"stream\",\"requestId\":\"r-2\",\"seq\":1,\"content\":\"so far\",\"done\":false}",
    "{\"type\":\"error\",\"requestId\":\"r-2\",\"seq\":2,\"code\":\"upstream_timeout\",\"message\":\"it said \\\"no\\\"\",\"retryable\":true}",
    "{\"type\":\"stream\",\"requestId\":\"r-2\",\"seq\":3,\"content\":\"\",\"done\":true,\"finish_reason\":\"error\"}",
    piece(1, "x"), piece(2, "", "cancelled")}));
}

TEST_F(TokenStreamTest, AfterTheEndNothingIsTaken) {
  const TokenStreamPtr stream = make();
  EXPECT_FALSE(stream->finish("\xFF"));  // not UTF-8: it goes on
  EXPECT_FALSE(stream->fail("code", "\xFF", false));
  EXPECT_TRUE(stream->write("x"));
  EXPECT_TRUE(stream->cancel());
  heard_.clear();
  EXPECT_FALSE(stream->write("y") || stream->finish("stop") || stream->fail("code", "", false) || stream->cancel());
  turn();
  EXPECT_TRUE(heard_.empty());
}

TEST_F(TokenStreamTest, ARequestIdThatIsNotUtf8MakesAStreamThatTakesNothing) {
  const TokenStreamPtr stream = make("\xFF");
  EXPECT_TRUE(stream->isFinished());
  EXPECT_FALSE(stream->write("x"));
}

TEST_F(EagerTokenStreamTest, WithoutMergingEachWriteIsAMessage) {
  const TokenStreamPtr stream = make();
  for (const char* token : {"a", "b", "c"}) stream->write(token);
  stream->write("");
  EXPECT_EQ(heard_, Texts({piece(1, "a"), piece(2, "b"), piece(3, "c")}));
}

TEST_F(QuickTokenStreamTest, TheLoopsTimerHandsOverWhatWasMerged) {
  const TokenStreamPtr stream = make();
  runInLoop([&]() {
    for (const char* token : {"a", "b", "c"}) stream->write(token);
    onMessage_ = [&](const TokenStream::Message&) { loop_.quit(); };
  });
  EXPECT_EQ(heard_, Texts({piece(1, "a"), piece(2, "bc")}));
}

TEST_F(QuickTokenStreamTest, ThousandsInOneLoop) {
  const size_t kStreams = 5000;
  std::vector<TokenStreamPtr> streams;
  size_t done = 0;
  for (size_t i = 0; i < kStreams; ++i) {
    const std::shared_ptr<size_t> count = std::make_shared<size_t>(0);
    streams.push_back(server_->newTokenStream(&loop_, "r", [&, i, count](const TokenStream::Message& message) {
      EXPECT_EQ(message.seq, ++*count);
      if (*count == 2) streams[i]->finish("stop");  // the merged message: from the timer
      if (message.isDone && ++done == kStreams) loop_.quit();
    }));
  }
  runInLoop([&]() {
    for (const TokenStreamPtr& stream : streams) {
      stream->write("first");
      stream->write("merged");
    }
  });
  EXPECT_EQ(done, kStreams);
  for (const TokenStreamPtr& stream : streams) EXPECT_TRUE(stream->isFinished());
}

// ---- inside its own callback ----

TEST_F(EagerTokenStreamTest, WrittenInItsOwnCallback) {
  const TokenStreamPtr stream = make();
  onMessage_ = [&](const TokenStream::Message& message) {
    if (message.seq > 4) return;
    const std::string before = text(message);
    const size_t heard = heard_.size();
    EXPECT_TRUE(stream->write(std::string(3000, 'x')));  // more than fits where the message was
    EXPECT_EQ(text(message), before);
    EXPECT_EQ(heard_.size(), heard);  // it follows when this call has returned
    if (message.seq == 4) {
      EXPECT_TRUE(stream->finish("stop"));
    }
  };
  stream->write("x");
  ASSERT_EQ(heard_.size(), 6u);
  EXPECT_EQ(heard_.back(), piece(6, "", "stop"));
  EXPECT_TRUE(stream->isFinished());
}

TEST_F(TokenStreamTest, DroppedInItsOwnCallback) {
  TokenStreamPtr stream = make();
  const std::weak_ptr<TokenStream> weak = stream;
  onMessage_ = [&](const TokenStream::Message& message) {
    if (message.seq == 2) stream.reset();
  };
  stream->write(std::string(100 * 1024, 'x'));  // many messages
  EXPECT_TRUE(weak.expired());
  EXPECT_EQ(heard_.size(), 2u);
  turn();
  EXPECT_EQ(heard_.size(), 2u);
}

TEST_F(TokenStreamTest, FinishedAndDroppedInItsOwnCallback) {
  TokenStreamPtr stream = make();
  onMessage_ = [&](const TokenStream::Message&) {
    EXPECT_TRUE(stream->finish("stop"));
    stream.reset();
  };
  stream->write("x");
  EXPECT_EQ(heard_, Texts({piece(1, "x")}));
}

TEST_F(TokenStreamTest, CancelledInItsOwnCallback) {
  const TokenStreamPtr stream = make();
  onMessage_ = [&](const TokenStream::Message& message) {
    EXPECT_EQ(stream->cancel(), message.seq == 1);
  };
  stream->write("x");
  EXPECT_EQ(heard_, Texts({piece(1, "x"), piece(2, "", "cancelled")}));
}

TEST_F(QuickTokenStreamTest, DroppedByTheTimersCallback) {
  TokenStreamPtr one = make();
  TokenStreamPtr two = make();
  runInLoop([&]() {
    for (TokenStream* stream : {one.get(), two.get()}) stream->write("a");
    for (TokenStream* stream : {one.get(), two.get()}) stream->write("b");
    heard_.clear();
    onMessage_ = [&](const TokenStream::Message&) {  // the other one is due in the same turn
      one.reset();
      two.reset();
      loop_.quit();
    };
  });
  EXPECT_EQ(heard_, Texts({piece(2, "b")}));
}

TEST_F(TokenStreamTest, ACallbackThatHoldsItsStreamIsReleasedAtTheEnd) {
  const std::shared_ptr<int> held = std::make_shared<int>(0);
  const std::shared_ptr<TokenStreamPtr> slot = std::make_shared<TokenStreamPtr>();
  *slot = server_->newTokenStream(&loop_, "", [held, slot](const TokenStream::Message&) {});
  (*slot)->write("x");
  EXPECT_EQ(held.use_count(), 2);
  (*slot)->finish("stop");
  EXPECT_EQ(held.use_count(), 1);
}

// ---- what ends first ----

TEST_F(TokenStreamTest, TheServerEndsFirst) {
  const std::shared_ptr<int> held = std::make_shared<int>(0);
  const TokenStreamPtr stream = server_->newTokenStream(&loop_, "", [held](const TokenStream::Message&) {});
  stream->write("x");
  server_.reset();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_TRUE(stream->isFinished());
  EXPECT_FALSE(stream->write("x") || stream->finish("stop") || stream->cancel());
  turn();
}

TEST_F(TokenStreamTest, TheServerEndsInACallback) {
  const TokenStreamPtr stream = make();
  onMessage_ = [&](const TokenStream::Message&) { server_.reset(); };
  EXPECT_TRUE(stream->write(std::string(100 * 1024, 'x')));
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_TRUE(stream->isFinished());
}

TEST_F(QuickTokenStreamTest, TheServerEndsInTheTimersCallback) {
  const TokenStreamPtr one = make();
  const TokenStreamPtr two = make();
  runInLoop([&]() {
    for (TokenStream* stream : {one.get(), two.get()}) stream->write("a");
    for (TokenStream* stream : {one.get(), two.get()}) stream->write("b");
    heard_.clear();
    onMessage_ = [&](const TokenStream::Message&) {
      server_.reset();
      loop_.quit();
    };
  });
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_TRUE(one->isFinished() && two->isFinished());
}

TEST_F(TokenStreamTest, TheLoopEndsFirst) {
  TokenStreamPtr stream;
  {
    muduo::net::EventLoopThread thread;
    EventLoop* const loop = thread.startLoop();
    std::atomic<bool> isMade(false);
    loop->runInLoop([&]() {
      stream = server_->newTokenStream(loop, "", [](const TokenStream::Message&) {});
      stream->write("x");
      stream->write("y");
      isMade = true;
    });
    while (!isMade) std::this_thread::yield();
  }
  EXPECT_FALSE(stream->write("x") || stream->finish("stop") || stream->cancel());
  stream.reset();
}

// ---- threads ----

TEST_F(TokenStreamTest, AnotherThreadCanDoNothingButDropIt) {
  const std::shared_ptr<int> held = std::make_shared<int>(0);
  TokenStreamPtr stream = server_->newTokenStream(&loop_, "", [held](const TokenStream::Message&) {});
  std::thread([&]() {
    EXPECT_FALSE(stream->write("x") || stream->finish("stop") || stream->fail("code", "", true) || stream->cancel());
    EXPECT_TRUE(server_->newTokenStream(&loop_, "", TokenStream::MessageCallback())->isFinished());
  }).join();
  EXPECT_TRUE(stream->write("x"));
  std::thread([&]() { stream.reset(); }).join();
  EXPECT_EQ(held.use_count(), 2);  // the loop has it still, and sees to it in its next turn
  make()->write("x");
  turn();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TokenStreamTest, DroppedInAnotherThreadAndNeverSeenByTheLoop) {
  const std::shared_ptr<int> held = std::make_shared<int>(0);
  TokenStreamPtr stream = server_->newTokenStream(&loop_, "", [held](const TokenStream::Message&) {});
  std::thread([&]() { stream.reset(); }).join();
  server_.reset();
  EXPECT_EQ(held.use_count(), 1);
}

// ---- options ----

TEST(TokenStreamOptions, AreChecked) {
  for (double seconds : {-0.1, 10.1}) {
    try {
      WebSocketServer server(merging(seconds));
      ADD_FAILURE() << seconds;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("tokenMergeSeconds must be 0"), std::string::npos);
    }
  }
  for (double seconds : {0.0, 0.001, 10.0}) WebSocketServer server(merging(seconds));
}
