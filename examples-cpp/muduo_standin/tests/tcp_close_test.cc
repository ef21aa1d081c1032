// How TcpConnections end: each way out, what is still delivered, and that "down" comes exactly once.
#include "support.h"

#include <atomic>

using namespace muduo;
using namespace muduo::net;
using std::string;
using support::Client;
using support::Journal;
using support::Server;
using support::eventually;

namespace
{

// A server that writes up and down to a journal and lends the connection.
class TcpClose : public ::testing::Test
{
 protected:
  TcpClose()
      : server_([this](TcpServer* tcp) {
          tcp->setConnectionCallback([this](const TcpConnectionPtr& conn) {
            connection_ = conn;
            journal_.add(conn->connected() ? "up" : "down");
            if (conn->connected() && onUp_) onUp_(conn);
            if (!conn->connected() && !keepAfterDown_) connection_.reset();
          });
          tcp->setMessageCallback([this](const TcpConnectionPtr& conn, Buffer* buffer, Timestamp) {
            const string message = buffer->retrieveAllAsString();
            journal_.add(message);
            if (onMessage_) onMessage_(conn, message);
          });
        })
  {
  }

  ~TcpClose() override
  {
    // A debug build of Muduo asserts that no connection is between shutdown() and down when its server goes.
    EXPECT_TRUE(eventually([this] { return journal_.count("up") == journal_.count("down"); }));
    server_.stop();
    server_.run([this] { connection_.reset(); });
  }

  bool wait(const string& entry)
  {
    return eventually([&] { return journal_.has(entry); });
  }

  // Down, once, and nothing after it.
  void expectDown(const string& history)
  {
    EXPECT_TRUE(wait("down"));
    support::sleepMillis(30);
    server_.run([] {});
    EXPECT_EQ(history, journal_.joined());
  }

  std::function<void(const TcpConnectionPtr&)> onUp_;
  std::function<void(const TcpConnectionPtr&, const string&)> onMessage_;
  bool keepAfterDown_ = false;
  TcpConnectionPtr connection_;  // in the loop
  Journal journal_;
  Server server_;
};

// More than the kernel's buffers hold, scaled or not.
const size_t kTooMuch = 32 << 20;

}  // namespace

// --- by the peer ---

TEST_F(TcpClose, ThePeerCloses)
{
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  client.close();
  expectDown("up down");
}

TEST_F(TcpClose, ThePeerSendsAndCloses)
{
  Client client(server_.address());
  ASSERT_TRUE(client.send("last words"));
  client.close();
  expectDown("up last words down");
}

TEST_F(TcpClose, ThePeerResets)
{
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  client.reset();
  expectDown("up down");
}

TEST_F(TcpClose, ThePeerResetsWhileOutputWaits)
{
  onUp_ = [](const TcpConnectionPtr& conn) { conn->send(string(kTooMuch, 'x')); };
  Client client(server_.address(), 4096);
  ASSERT_TRUE(wait("up"));
  client.reset();
  expectDown("up down");
}

// Muduo takes the peer's half-close for the end: what is not in the kernel yet is lost.
TEST_F(TcpClose, APeerThatHalfClosesLosesTheRestOfTheAnswer)
{
  onMessage_ = [](const TcpConnectionPtr& conn, const string&) { conn->send(string(kTooMuch, 'x')); };
  Client client(server_.address(), 4096);
  ASSERT_TRUE(client.send("request"));
  ASSERT_TRUE(wait("request"));
  client.shutdownWrite();
  expectDown("up request down");
  EXPECT_LT(client.receiveToEnd().size(), kTooMuch);
}

// --- shutdown ---

TEST_F(TcpClose, ShutdownSendsTheRestFirst)
{
  const size_t size = support::scaled(16 << 20);
  onUp_ = [size](const TcpConnectionPtr& conn) {
    conn->send(support::pattern(size));
    conn->shutdown();
    EXPECT_FALSE(conn->connected());
    EXPECT_FALSE(conn->disconnected());
  };
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  EXPECT_TRUE(client.receiveToEnd() == support::pattern(size));
  EXPECT_EQ("up", journal_.joined());  // half closed: the peer may go on sending
  ASSERT_TRUE(client.send("still heard"));
  ASSERT_TRUE(wait("still heard"));
  client.close();
  expectDown("up still heard down");
}

TEST_F(TcpClose, AfterShutdownSendIsSilentlyDropped)
{
  onUp_ = [](const TcpConnectionPtr& conn) {
    conn->send("before");
    conn->shutdown();
    conn->shutdown();  // harmless
    conn->send("after");
    Buffer buffer;
    buffer.append("after");
    conn->send(&buffer);
    EXPECT_EQ(5u, buffer.readableBytes());
  };
  Client client(server_.address());
  EXPECT_EQ("before", client.receiveToEnd());
}

TEST_F(TcpClose, ASendFromAnotherThreadBeforeShutdownIsDelivered)
{
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  TcpConnectionPtr conn;
  server_.run([&] { conn = connection_; });
  conn->send("sent");
  conn->shutdown();
  conn->send("dropped");
  EXPECT_EQ("sent", client.receiveToEnd());
  client.close();
  EXPECT_TRUE(wait("down"));
  server_.run([&] { conn.reset(); });
}

// --- forceClose ---

TEST_F(TcpClose, ForceCloseIsQueuedAndHappensOnce)
{
  onMessage_ = [this](const TcpConnectionPtr& conn, const string&) {
    conn->forceClose();
    conn->forceClose();
    EXPECT_FALSE(conn->connected());
    EXPECT_FALSE(conn->disconnected());
    conn->send("dropped");
    journal_.add("returned");
  };
  Client client(server_.address());
  ASSERT_TRUE(client.send("x"));
  EXPECT_EQ("", client.receiveToEnd());
  expectDown("up x returned down");
}

TEST_F(TcpClose, ForceCloseDropsWhatWaits)
{
  onUp_ = [](const TcpConnectionPtr& conn) {
    conn->send(string(kTooMuch, 'x'));
    conn->forceClose();
  };
  Client client(server_.address(), 4096);
  EXPECT_TRUE(wait("down"));
  EXPECT_LT(client.receiveToEnd().size(), kTooMuch);
}

TEST_F(TcpClose, ForceCloseFromAnotherThread)
{
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  TcpConnectionPtr conn;
  server_.run([&] { conn = connection_; });
  conn->forceClose();
  expectDown("up down");
  EXPECT_TRUE(conn->disconnected());
  conn->forceClose();
  conn->shutdown();
  conn->send("dropped");
  server_.run([&] { conn.reset(); });
  EXPECT_EQ("", client.receiveToEnd());
}

TEST_F(TcpClose, ForceCloseWithDelayStopsSendingAtOnce)
{
  onUp_ = [this](const TcpConnectionPtr& conn) {
    conn->send("before");
    conn->forceCloseWithDelay(0.1);
    EXPECT_FALSE(conn->connected());
    conn->send("dropped");
  };
  onMessage_ = [](const TcpConnectionPtr& conn, const string&) { conn->send("dropped too"); };
  const Timestamp start = Timestamp::now();
  Client client(server_.address());
  EXPECT_EQ("before", client.receive(6));
  ASSERT_TRUE(client.send("heard"));
  EXPECT_EQ("", client.receiveToEnd());
  EXPECT_GE(timeDifference(Timestamp::now(), start), 0.09);
  expectDown("up heard down");
}

// The orderly end with a limit: the peer gets everything and the end of the stream, and need not answer.
TEST_F(TcpClose, SendThenShutdownThenForceCloseWithDelay)
{
  const size_t size = support::scaled(4 << 20);
  onUp_ = [size](const TcpConnectionPtr& conn) {
    conn->send(support::pattern(size));
    conn->shutdown();
    conn->forceCloseWithDelay(support::kLimit);
  };
  Client client(server_.address());
  EXPECT_TRUE(client.receiveToEnd() == support::pattern(size));
  client.close();
  expectDown("up down");
}

TEST_F(TcpClose, ForceCloseWithDelayEndsAPeerThatDoesNotAnswerAShutdown)
{
  onUp_ = [](const TcpConnectionPtr& conn) {
    conn->send("bye");
    conn->shutdown();
    conn->forceCloseWithDelay(0.05);
  };
  Client client(server_.address());
  EXPECT_EQ("bye", client.receiveToEnd());
  expectDown("up down");
}

TEST_F(TcpClose, ADelayedForceCloseDoesNotKeepTheConnectionAlive)
{
  onUp_ = [](const TcpConnectionPtr& conn) { conn->forceCloseWithDelay(0.05); };
  std::weak_ptr<TcpConnection> watch;
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  server_.run([&] { watch = connection_; });
  client.close();
  expectDown("up down");
  EXPECT_TRUE(eventually([&] { return watch.expired(); }));
  support::sleepMillis(80);
  EXPECT_EQ("up down", journal_.joined());
}

// --- afterwards ---

TEST_F(TcpClose, AConnectionThatIsKeptKeepsItsDescriptor)
{
  keepAfterDown_ = true;
  onUp_ = [](const TcpConnectionPtr& conn) { conn->forceClose(); };
  Client client(server_.address());
  ASSERT_TRUE(wait("down"));
  EXPECT_TRUE(client.staysSilent(50));  // not even the end of the stream
  server_.run([&] { connection_.reset(); });
  EXPECT_EQ("", client.receiveToEnd());
}

TEST_F(TcpClose, TheContextIsStillThereOnDown)
{
  string seen;
  onUp_ = [](const TcpConnectionPtr& conn) { conn->setContext(string("state")); };
  keepAfterDown_ = true;
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  client.close();
  ASSERT_TRUE(wait("down"));
  server_.run([&] {
    EXPECT_EQ("state", boost::any_cast<string>(connection_->getContext()));
    connection_.reset();
  });
}

// The state that a context owns goes with the last reference to the connection.
TEST_F(TcpClose, TheContextGoesWithTheConnection)
{
  auto owned = std::make_shared<int>(1);
  onUp_ = [owned](const TcpConnectionPtr& conn) { conn->setContext(owned); };
  std::weak_ptr<int> watch(owned);
  Client client(server_.address());
  ASSERT_TRUE(wait("up"));
  client.close();
  ASSERT_TRUE(wait("down"));
  EXPECT_TRUE(eventually([&] { return watch.use_count() == 2; }));
}
