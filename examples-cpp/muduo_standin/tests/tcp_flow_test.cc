// TcpConnection between up and down: paused reading, write-complete callbacks, callbacks that are replaced while they
// run, and what sends from other threads may count on.
#include "muduo/base/Thread.h"
#include "support.h"

using namespace muduo;
using namespace muduo::net;
using std::string;
using support::Client;
using support::Journal;
using support::Server;
using support::eventually;

namespace
{

// More than the kernel's buffers hold, scaled or not.
const size_t kTooMuch = 32 << 20;

// A server that writes up, down and messages to a journal and lends the connection while it is up.
class TcpFlow : public ::testing::Test
{
 protected:
  TcpFlow()
      : server_([this](TcpServer* tcp) {
          tcp->setConnectionCallback([this](const TcpConnectionPtr& conn) {
            connection_ = conn->connected() ? conn : TcpConnectionPtr();
            journal_.add(conn->connected() ? "up" : "down");
            if (conn->connected() && onUp_) onUp_(conn);
          });
          tcp->setMessageCallback([this](const TcpConnectionPtr& conn, Buffer* buffer, Timestamp) {
            journal_.add(buffer->retrieveAllAsString());
            if (onMessage_) onMessage_(conn);
          });
        })
  {
  }

  ~TcpFlow() override
  {
    server_.stop();
    server_.run([this] { connection_.reset(); });
  }

  bool wait(const string& entry)
  {
    return eventually([&] { return journal_.has(entry); });
  }

  // Adds the entry when it is called.
  WriteCompleteCallback note(const string& entry)
  {
    return [this, entry](const TcpConnectionPtr&) { journal_.add(entry); };
  }

  std::function<void(const TcpConnectionPtr&)> onUp_, onMessage_;
  TcpConnectionPtr connection_;  // in the loop
  Journal journal_;
  Server server_;
};

}  // namespace

// --- paused reading ---

TEST_F(TcpFlow, WhilePausedAResetIsSeenWhenOutputWaits)
{
  onUp_ = [this](const TcpConnectionPtr& conn) {
    conn->send(string(kTooMuch, 'x'));
    conn->stopRead();
    journal_.add("waits");
  };
  Client client(server_.address(), 4096);
  ASSERT_TRUE(wait("waits"));
  client.reset();
  EXPECT_TRUE(wait("down"));
  support::sleepMillis(30);
  server_.run([] {});
  EXPECT_EQ("up waits down", journal_.joined());
}

TEST_F(TcpFlow, WhilePausedAResetIsNotSeenWhenNothingWaits)
{
  onUp_ = [this](const TcpConnectionPtr& conn) {
    conn->stopRead();
    journal_.add("paused");
  };
  Client client(server_.address());
  ASSERT_TRUE(wait("paused"));
  client.reset();
  support::sleepMillis(50);
  server_.run([] {});
  EXPECT_EQ("up paused", journal_.joined());
  server_.run([this] { connection_->startRead(); });
  EXPECT_TRUE(wait("down"));
}

// Unlike a peer that half-closes while it is read from: see TcpClose.
TEST_F(TcpFlow, WhilePausedAHalfCloseIsNotSeenAndOutputGoesOn)
{
  const size_t size = support::scaled(16 << 20);
  onMessage_ = [size](const TcpConnectionPtr& conn) {
    conn->stopRead();
    conn->send(support::pattern(size));
  };
  Client client(server_.address(), 4096);
  ASSERT_TRUE(client.send("request"));
  ASSERT_TRUE(wait("request"));
  client.shutdownWrite();
  EXPECT_TRUE(client.receive(size) == support::pattern(size));
  EXPECT_EQ("up request", journal_.joined());
  server_.run([this] { connection_->startRead(); });
  EXPECT_TRUE(wait("down"));
}

// Bytes that came before are in the kernel's buffer: nothing is lost, and nothing is delivered twice.
TEST_F(TcpFlow, StopAndStartMayBeRepeatedInOneTurn)
{
  onMessage_ = [this](const TcpConnectionPtr& conn) {
    EXPECT_TRUE(conn->isReading());
    conn->stopRead();
    conn->stopRead();
    EXPECT_FALSE(conn->isReading());
    conn->startRead();
    conn->startRead();
    EXPECT_TRUE(conn->isReading());
  };
  Client client(server_.address());
  for (const char* piece : {"a", "b", "c"})
  {
    ASSERT_TRUE(client.send(piece));
    ASSERT_TRUE(wait(piece));
  }
  EXPECT_EQ("up a b c", journal_.joined());
}

TEST_F(TcpFlow, APausedConnectionCanBeForceClosed)
{
  onUp_ = [](const TcpConnectionPtr& conn) {
    conn->stopRead();
    conn->forceClose();
  };
  Client client(server_.address());
  EXPECT_EQ("", client.receiveToEnd());
  EXPECT_TRUE(wait("down"));
  EXPECT_EQ("up down", journal_.joined());
}

// --- write complete ---

TEST_F(TcpFlow, AWriteCompleteThatIsQueuedIsTheOldOne)
{
  onUp_ = [this](const TcpConnectionPtr& conn) { conn->setWriteCompleteCallback(note("old")); };
  onMessage_ = [this](const TcpConnectionPtr& conn) {
    conn->send("first");
    conn->setWriteCompleteCallback(note("new"));
  };
  Client client(server_.address());
  ASSERT_TRUE(client.send("one"));
  EXPECT_EQ("first", client.receive(5));
  ASSERT_TRUE(wait("old"));
  server_.run([this] { connection_->send("second"); });
  ASSERT_TRUE(wait("new"));
  EXPECT_EQ("up one old new", journal_.joined());
}

TEST_F(TcpFlow, AWriteCompleteMayReplaceItself)
{
  const auto owned = std::make_shared<string>("first");
  const std::weak_ptr<string> watch(owned);
  onUp_ = [this, owned](const TcpConnectionPtr& conn) {
    conn->setWriteCompleteCallback([this, owned](const TcpConnectionPtr& c) {
      c->setWriteCompleteCallback(note("second"));
      journal_.add(*owned);  // what runs is a copy, and it is still there
    });
    conn->send("x");
  };
  Client client(server_.address());
  ASSERT_TRUE(wait("first"));
  server_.run([this] { connection_->send("y"); });
  ASSERT_TRUE(wait("second"));
  EXPECT_EQ("up first second", journal_.joined());
}

TEST_F(TcpFlow, AWriteCompleteThatWasTakenAwayIsNotCalled)
{
  onUp_ = [this](const TcpConnectionPtr& conn) {
    conn->setWriteCompleteCallback(note("complete"));
    conn->send("x");
    conn->setWriteCompleteCallback(WriteCompleteCallback());
    conn->send("y");
  };
  Client client(server_.address());
  EXPECT_EQ("xy", client.receive(2));
  ASSERT_TRUE(wait("complete"));
  server_.run([this] { connection_->send("z"); });
  EXPECT_EQ("z", client.receive(1));
  server_.run([] {});
  EXPECT_EQ("up complete", journal_.joined());
}

// After a partial write it is the one that is set when the rest has gone.
TEST_F(TcpFlow, AWriteCompleteMayBeSetWhileOutputWaits)
{
  onUp_ = [this](const TcpConnectionPtr& conn) {
    conn->setWriteCompleteCallback(note("old"));
    conn->send(string(kTooMuch, 'x'));
    conn->setWriteCompleteCallback(note("new"));
  };
  Client client(server_.address(), 4096);
  ASSERT_TRUE(wait("up"));
  support::sleepMillis(20);
  EXPECT_EQ("up", journal_.joined());
  EXPECT_EQ(kTooMuch, client.receive(kTooMuch).size());
  ASSERT_TRUE(wait("new"));
  EXPECT_EQ("up new", journal_.joined());
}

// The first of two that are queued behind each other runs with the second one's bytes still waiting.
TEST_F(TcpFlow, AWriteCompleteDoesNotMeanThatNothingWaits)
{
  onUp_ = [this](const TcpConnectionPtr& conn) {
    conn->setWriteCompleteCallback([this](const TcpConnectionPtr& c) {
      journal_.add(c->outputBuffer()->readableBytes() > 0 ? "waits" : "empty");
    });
    conn->send("short");
    conn->send(string(kTooMuch, 'x'));
  };
  Client client(server_.address(), 4096);
  ASSERT_TRUE(wait("waits"));
  EXPECT_EQ(kTooMuch + 5, client.receive(kTooMuch + 5).size());
  ASSERT_TRUE(wait("empty"));
  EXPECT_EQ("up waits empty", journal_.joined());
}

// --- callbacks that are replaced while they run ---

// So what such a callback uses afterwards must be on its stack. The safe way is queueInLoop(), below.
TEST_F(TcpFlow, AMessageCallbackThatReplacesItselfIsDestroyedWhileItRuns)
{
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watch(owned);
  Journal* const journal = &journal_;
  onUp_ = [owned, watch, journal](const TcpConnectionPtr& conn) {
    conn->setMessageCallback([owned, watch, journal](const TcpConnectionPtr& c, Buffer* buffer, Timestamp) {
      const std::weak_ptr<int> onStack(watch);
      Journal* const journalOnStack = journal;
      buffer->retrieveAll();
      c->setMessageCallback([](const TcpConnectionPtr&, Buffer* b, Timestamp) { b->retrieveAll(); });
      journalOnStack->add(onStack.expired() ? "destroyed" : "alive");
    });
  };
  owned.reset();
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  server_.run([this] { onUp_ = nullptr; });  // holds it too
  ASSERT_TRUE(client.send("x"));
  EXPECT_TRUE(eventually([this] { return journal_.entries().size() == 2; }));
  EXPECT_EQ("up destroyed", journal_.joined());
}

TEST_F(TcpFlow, AMessageCallbackIsReplacedThroughTheQueue)
{
  onMessage_ = [this](const TcpConnectionPtr& conn) {
    conn->getLoop()->queueInLoop([this, conn] {
      conn->setMessageCallback([this](const TcpConnectionPtr&, Buffer* buffer, Timestamp) {
        journal_.add("new:" + buffer->retrieveAllAsString());
      });
    });
  };
  Client client(server_.address());
  ASSERT_TRUE(client.send("a"));
  ASSERT_TRUE(wait("a"));
  ASSERT_TRUE(client.send("b"));  // read in a later turn than the functor runs in
  ASSERT_TRUE(wait("new:b"));
  EXPECT_EQ("up a new:b", journal_.joined());
}

// --- other threads ---

TEST_F(TcpFlow, ASendInTheLoopOvertakesOneFromAThreadThatWasEarlier)
{
  onMessage_ = [](const TcpConnectionPtr& conn) {
    Thread other([conn] { conn->send("worker "); });
    other.start();
    other.join();
    conn->send("loop ");
  };
  Client client(server_.address());
  ASSERT_TRUE(client.send("x"));
  EXPECT_EQ("loop worker ", client.receive(12));
}

// Muduo's functors for these hold a bare pointer: whoever calls must hold the connection until they have run. The
// stand-in's hold the connection.
TEST_F(TcpFlow, CallsFromOtherThreadsDoNotHoldTheConnection)
{
#ifdef MUDUO_STANDIN
  const long held = 1;
#else
  const long held = 0;
#endif
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  TcpConnectionPtr conn;
  server_.run([&] { conn = connection_; });
  const std::vector<std::function<void()>> calls = {
      [&] { conn->send("x"); },
      [&] {
        Buffer buffer;
        buffer.append("y");
        conn->send(&buffer);
      },
      [&] { conn->stopRead(); },
      [&] { conn->startRead(); },
      [&] { conn->shutdown(); },
  };
  for (const std::function<void()>& call : calls)
  {
    CountDownLatch stands(1), mayGo(1);
    server_.loop()->runInLoop([&] {
      stands.countDown();
      mayGo.wait();
    });
    stands.wait();
    const long before = conn.use_count();
    call();
    EXPECT_EQ(before + held, conn.use_count());
    mayGo.countDown();
    server_.run([] {});
  }
  EXPECT_EQ("xy", client.receiveToEnd());
  client.close();
  EXPECT_TRUE(wait("down"));
  server_.run([&] { conn.reset(); });
}

// forceClose() does hold it.
TEST_F(TcpFlow, AForceCloseFromAnotherThreadHoldsTheConnection)
{
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  TcpConnectionPtr conn;
  server_.run([&] { conn = connection_; });
  CountDownLatch stands(1), mayGo(1);
  server_.loop()->runInLoop([&] {
    stands.countDown();
    mayGo.wait();
  });
  stands.wait();
  const long before = conn.use_count();
  conn->forceClose();
  EXPECT_EQ(before + 1, conn.use_count());
  mayGo.countDown();
  EXPECT_TRUE(wait("down"));
  server_.run([&] { conn.reset(); });
}
