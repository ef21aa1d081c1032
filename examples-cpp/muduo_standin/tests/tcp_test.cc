// TcpServer and TcpConnection while a connection is up: callbacks, data both ways, flow control, threads.
#include "muduo/base/Thread.h"
#include "muduo/net/EventLoopThreadPool.h"
#include "support.h"

#include <netinet/tcp.h>

#include <atomic>
#include <map>
#include <set>

using namespace muduo;
using namespace muduo::net;
using std::string;
using support::Client;
using support::Journal;
using support::Server;
using support::eventually;

namespace
{

void echo(const TcpConnectionPtr& conn, Buffer* buffer, Timestamp)
{
  conn->send(buffer);
}

}  // namespace

// --- up and down ---

TEST(TcpServer, CallsOnUpThenDataThenDown)
{
  Journal journal;
  Server server([&](TcpServer* tcp) {
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      EXPECT_TRUE(conn->getLoop()->isInLoopThread());
      EXPECT_NE(conn->connected(), conn->disconnected());
      journal.add(conn->connected() ? "up" : "down");
    });
    tcp->setMessageCallback([&](const TcpConnectionPtr& conn, Buffer* buffer, Timestamp time) {
      EXPECT_TRUE(conn->connected());
      EXPECT_EQ(conn->getLoop()->pollReturnTime().microSecondsSinceEpoch(), time.microSecondsSinceEpoch());
      EXPECT_EQ(conn->inputBuffer(), buffer);
      journal.add(buffer->retrieveAllAsString());
    });
  });
  Client client(server.address());
  ASSERT_TRUE(client.send("data"));
  ASSERT_TRUE(eventually([&] { return journal.has("data"); }));
  client.close();
  ASSERT_TRUE(eventually([&] { return journal.has("down"); }));
  EXPECT_EQ("up data down", journal.joined());
}

TEST(TcpServer, NamesConnectionsAndKnowsBothEnds)
{
  Journal names;
  Server server([&](TcpServer* tcp) {
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      if (!conn->connected()) return;
      names.add(conn->name());
      EXPECT_EQ("127.0.0.1", conn->peerAddress().toIp());
      EXPECT_NE(conn->localAddress().port(), conn->peerAddress().port());
      conn->send(conn->localAddress().toIpPort() + "\n");
    });
  });
  const string ipPort = server.address().toIpPort();
  EXPECT_EQ(ipPort, server.tcp().ipPort());
  EXPECT_EQ("test", server.tcp().name());
  EXPECT_EQ(server.loop(), server.tcp().getLoop());
  Client first(server.address()), second(server.address());
  EXPECT_EQ(ipPort + "\n", first.receiveUntil("\n"));
  EXPECT_EQ(ipPort + "\n", second.receiveUntil("\n"));
  EXPECT_EQ("test-" + ipPort + "#1 test-" + ipPort + "#2", names.joined());
}

TEST(TcpServer, DiscardsDataWhenNothingIsSet)
{
  Server server;
  Client client(server.address());
  ASSERT_TRUE(client.send("into the void"));
  EXPECT_TRUE(client.staysSilent(30));
}

TEST(TcpServer, MayBeStartedTwice)
{
  Server server([](TcpServer* tcp) {
    tcp->setMessageCallback(echo);
    tcp->start();
  });
  Client client(server.address());
  ASSERT_TRUE(client.send("x"));
  EXPECT_EQ("x", client.receive(1));
}

TEST(TcpServer, TakesDownOpenConnectionsWhenItGoes)
{
  Journal journal;
  Server server([&](TcpServer* tcp) {
    tcp->setConnectionCallback(
        [&](const TcpConnectionPtr& conn) { journal.add(conn->connected() ? "up" : "down"); });
  });
  Client client(server.address());
  ASSERT_TRUE(eventually([&] { return journal.has("up"); }));
  server.stop();
  EXPECT_EQ("up down", journal.joined());
  EXPECT_EQ("", client.receiveToEnd());
}

TEST(TcpServer, ClosesEveryDescriptor)
{
  std::atomic<int> up(0), down(0);
  Server server([&](TcpServer* tcp) {
    tcp->setMessageCallback(echo);
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) { ++(conn->connected() ? up : down); });
  });
  const size_t before = support::openDescriptors();
  for (int round = 0; round < 4; ++round)
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 50; ++i) clients.emplace_back(new Client(server.address()));
    for (auto& client : clients) ASSERT_TRUE(client->send("x"));
    for (auto& client : clients) EXPECT_EQ("x", client->receive(1));
  }
  ASSERT_TRUE(eventually([&] { return down == 200; }));
  EXPECT_EQ(200, up);
  EXPECT_TRUE(eventually([&] { return support::openDescriptors() == before; }));
}

// --- data ---

TEST(TcpConnection, EchoesMegabytesThroughPartialWrites)
{
  Server server([](TcpServer* tcp) { tcp->setMessageCallback(echo); });
  const string data = support::pattern(support::scaled(8 << 20));
  Client client(server.address());
  Thread sender([&] {
    EXPECT_TRUE(client.send(data));
    client.send("end");
  });
  sender.start();
  EXPECT_TRUE(client.receive(data.size()) == data);
  EXPECT_EQ("end", client.receive(3));
  sender.join();
}

TEST(TcpConnection, KeepsWhatIsNotRetrieved)
{
  Server server([](TcpServer* tcp) {
    tcp->setMessageCallback([](const TcpConnectionPtr& conn, Buffer* buffer, Timestamp) {
      while (const char* crlf = buffer->findCRLF())
      {
        conn->send("[" + string(buffer->peek(), crlf) + "]");
        buffer->retrieveUntil(crlf + 2);
      }
    });
  });
  Client client(server.address());
  for (const char* piece : {"a", "b\r", "\nc\r\nd", "\r\n"})
  {
    ASSERT_TRUE(client.send(piece));
    support::sleepMillis(10);
  }
  EXPECT_EQ("[ab][c][d]", client.receive(10));
}

TEST(TcpConnection, SendsEveryKindOfMessage)
{
  Server server([](TcpServer* tcp) {
    tcp->setConnectionCallback([](const TcpConnectionPtr& conn) {
      if (!conn->connected()) return;
      conn->send("literal ");
      conn->send(string("str\0ing ", 8));
      conn->send(StringPiece("piece ignored", 6));
      conn->send("void* ignored", 6);
      conn->send("");
      Buffer buffer;
      buffer.append("buffer");
      conn->send(&buffer);
      EXPECT_EQ(0u, buffer.readableBytes());
    });
  });
  Client client(server.address());
  const string expected("literal str\0ing piece void* buffer", 34);
  EXPECT_EQ(expected, client.receive(expected.size()));
}

TEST(TcpConnection, BytesPutIntoTheOutputBufferAreNotSent)
{
  Server server([](TcpServer* tcp) {
    tcp->setConnectionCallback([](const TcpConnectionPtr& conn) {
      if (conn->connected()) conn->outputBuffer()->append("unsent");
    });
  });
  Client client(server.address());
  EXPECT_TRUE(client.staysSilent(50));
}

TEST(TcpConnection, CarriesAContext)
{
  Server server([](TcpServer* tcp) {
    tcp->setConnectionCallback([](const TcpConnectionPtr& conn) {
      if (conn->connected())
      {
        EXPECT_TRUE(conn->getContext().empty());
        conn->setContext(string("seen:"));
      }
    });
    tcp->setMessageCallback([](const TcpConnectionPtr& conn, Buffer* buffer, Timestamp) {
      *boost::any_cast<string>(conn->getMutableContext()) += buffer->retrieveAllAsString();
      conn->send(boost::any_cast<const string&>(conn->getContext()));
    });
  });
  Client client(server.address());
  ASSERT_TRUE(client.send("a"));
  EXPECT_EQ("seen:a", client.receive(6));
  ASSERT_TRUE(client.send("b"));
  EXPECT_EQ("seen:ab", client.receive(7));
}

TEST(TcpConnection, MayGetItsOwnCallbacksWhenItComesUp)
{
  Server server([](TcpServer* tcp) {
    tcp->setMessageCallback(echo);
    tcp->setConnectionCallback([](const TcpConnectionPtr& conn) {
      if (!conn->connected()) return;
      conn->setTcpNoDelay(true);
      conn->setMessageCallback([](const TcpConnectionPtr& c, Buffer* buffer, Timestamp) {
        buffer->retrieveAll();
        c->send("mine");
      });
    });
  });
  Client client(server.address());
  ASSERT_TRUE(client.send("x"));
  EXPECT_EQ("mine", client.receive(4));
}

TEST(TcpConnection, KnowsItsTcpInfo)
{
  Journal journal;
  Server server([&](TcpServer* tcp) {
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      if (!conn->connected()) return;
      struct tcp_info info;
      EXPECT_TRUE(conn->getTcpInfo(&info));
      EXPECT_EQ(TCP_ESTABLISHED, info.tcpi_state);
      EXPECT_NE(string::npos, conn->getTcpInfoString().find("rtt="));
      journal.add("done");
    });
  });
  Client client(server.address());
  EXPECT_TRUE(eventually([&] { return journal.has("done"); }));
}

// --- flow control ---

namespace
{

// More than the kernel's buffers take.
const size_t kTooMuch = 16 << 20;

}  // namespace

TEST(TcpConnection, TellsWhenAShortMessageIsWritten)
{
  Journal journal;
  Server server([&](TcpServer* tcp) {
    tcp->setWriteCompleteCallback([&](const TcpConnectionPtr& conn) {
      EXPECT_TRUE(conn->getLoop()->isInLoopThread());
      journal.add("complete");
    });
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      if (!conn->connected()) return;
      conn->send("x");
      conn->send("y");
      journal.add("sent");  // the callback is queued, not called
    });
  });
  Client client(server.address());
  EXPECT_EQ("xy", client.receive(2));
  ASSERT_TRUE(eventually([&] { return journal.count("complete") == 2; }));
  EXPECT_EQ("sent complete complete", journal.joined());
}

TEST(TcpConnection, TellsHighWaterAndCompletionOfALongOne)
{
  Journal journal;
  std::atomic<size_t> mark(0);
  Server server([&](TcpServer* tcp) {
    tcp->setWriteCompleteCallback([&](const TcpConnectionPtr& conn) {
      EXPECT_EQ(0u, conn->outputBuffer()->readableBytes());
      journal.add("complete");
    });
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      if (!conn->connected()) return;
      conn->setHighWaterMarkCallback(
          [&](const TcpConnectionPtr& c, size_t waiting) {
            EXPECT_EQ(waiting + 1, c->outputBuffer()->readableBytes());
            mark = waiting;
            journal.add("high");
          },
          100000);
      conn->send(support::pattern(kTooMuch));
      EXPECT_GT(conn->outputBuffer()->readableBytes(), 0u);
      conn->send("!");  // above the mark already: told once
    });
  });
  Client client(server.address());
  ASSERT_TRUE(eventually([&] { return journal.has("high"); }));
  EXPECT_GE(mark, 100000u);
  EXPECT_FALSE(journal.has("complete"));
  EXPECT_TRUE(client.receive(kTooMuch + 1) == support::pattern(kTooMuch) + "!");
  ASSERT_TRUE(eventually([&] { return journal.has("complete"); }));
  EXPECT_EQ("high complete", journal.joined());
}

// More than the kernel's buffers take even when they have grown with a first load: tcp_rmem may allow 32 MiB.
const size_t kFarTooMuch = 48 << 20;

TEST(TcpConnection, TellsHighWaterAtEachRise)
{
  Journal journal;
  TcpConnectionPtr connection;
  Server server([&](TcpServer* tcp) {
    tcp->setWriteCompleteCallback([&](const TcpConnectionPtr&) { journal.add("complete"); });
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      connection = conn->connected() ? conn : TcpConnectionPtr();
      if (!conn->connected()) return;
      conn->setHighWaterMarkCallback([&](const TcpConnectionPtr&, size_t) { journal.add("high"); }, 1);
      conn->send(support::pattern(kFarTooMuch));
    });
  });
  Client client(server.address());
  EXPECT_EQ(kFarTooMuch, client.receive(kFarTooMuch).size());
  ASSERT_TRUE(eventually([&] { return journal.count("complete") == 1; }));
  server.run([&] { connection->send(support::pattern(kFarTooMuch)); });
  EXPECT_EQ(kFarTooMuch, client.receive(kFarTooMuch).size());
  ASSERT_TRUE(eventually([&] { return journal.count("complete") == 2; }));
  EXPECT_EQ("high complete high complete", journal.joined());
  server.run([&] { connection.reset(); });
}

TEST(TcpConnection, StopsAndStartsReading)
{
  Journal journal;
  TcpConnectionPtr connection;
  Server server([&](TcpServer* tcp) {
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      journal.add(conn->connected() ? "up" : "down");
      connection = conn->connected() ? conn : TcpConnectionPtr();
      if (conn->connected()) conn->stopRead();
    });
    tcp->setMessageCallback([&](const TcpConnectionPtr& conn, Buffer* buffer, Timestamp) {
      journal.add(buffer->retrieveAllAsString());
      conn->stopRead();
      EXPECT_FALSE(conn->isReading());
    });
  });
  Client client(server.address());
  ASSERT_TRUE(eventually([&] { return journal.has("up"); }));
  ASSERT_TRUE(client.send("one"));
  support::sleepMillis(50);
  EXPECT_EQ("up", journal.joined());
  TcpConnectionPtr conn;
  server.run([&] { conn = connection; });
  conn->startRead();  // from this thread
  ASSERT_TRUE(eventually([&] { return journal.has("one"); }));

  // A paused connection does not notice the peer's end, and does not spin either.
  client.close();
  int64_t before = 0, after = 0;
  server.run([&] { before = server.loop()->iteration(); });
  support::sleepMillis(100);
  server.run([&] { after = server.loop()->iteration(); });
  EXPECT_EQ("up one", journal.joined());
  EXPECT_LE(after - before, 3);

  conn->startRead();
  ASSERT_TRUE(eventually([&] { return journal.has("down"); }));
  server.run([&] { conn.reset(); });
}

// --- threads ---

TEST(TcpConnection, SendsFromOtherThreadsInTheirOrder)
{
  TcpConnectionPtr connection;
  Journal journal;
  Server server([&](TcpServer* tcp) {
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      connection = conn->connected() ? conn : TcpConnectionPtr();
      if (conn->connected()) journal.add("up");
    });
  });
  Client client(server.address());
  ASSERT_TRUE(eventually([&] { return journal.has("up"); }));
  TcpConnectionPtr conn;
  server.run([&] { conn = connection; });

  const int kThreads = 4, kMessages = 500;
  std::vector<std::unique_ptr<Thread>> senders;
  for (int t = 0; t < kThreads; ++t)
  {
    senders.emplace_back(new Thread([&conn, t] {
      for (int i = 0; i < kMessages; ++i)
      {
        const string message = std::to_string(t) + ":" + std::to_string(i) + "\n";
        if (i % 3 == 0)
        {
          conn->send(message);
        }
        else if (i % 3 == 1)
        {
          conn->send(message.data(), static_cast<int>(message.size()));
        }
        else
        {
          Buffer buffer;
          buffer.append(message);
          conn->send(&buffer);
          EXPECT_EQ(0u, buffer.readableBytes());
        }
      }
    }));
    senders.back()->start();
  }
  std::map<int, int> next;
  for (int i = 0; i < kThreads * kMessages; ++i)
  {
    const string line = client.receiveUntil("\n");
    const size_t colon = line.find(':');
    ASSERT_NE(string::npos, colon) << line;
    EXPECT_EQ(next[std::stoi(line.substr(0, colon))]++, std::stoi(line.substr(colon + 1)));
  }
  for (auto& sender : senders) sender->join();
  server.run([&] {
    connection.reset();
    conn.reset();
  });
}

TEST(TcpServer, UsesItsOwnLoopWithoutThreads)
{
  EventLoop* initialised = nullptr;
  std::atomic<EventLoop*> used(nullptr);
  Server server([&](TcpServer* tcp) {
    tcp->setThreadInitCallback([&](EventLoop* loop) { initialised = loop; });
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) { used = conn->getLoop(); });
  });
  EXPECT_EQ(server.loop(), initialised);
  Client client(server.address());
  ASSERT_TRUE(eventually([&] { return used != nullptr; }));
  EXPECT_EQ(server.loop(), used);
}

TEST(TcpServer, GivesConnectionsToItsThreadsInTurn)
{
  std::mutex mutex;
  std::vector<EventLoop*> initialised, ups;
  std::atomic<int> down(0);
  Server server([&](TcpServer* tcp) {
    tcp->setThreadNum(3);
    tcp->setThreadInitCallback([&](EventLoop* loop) {
      EXPECT_TRUE(loop->isInLoopThread());
      std::lock_guard<std::mutex> lock(mutex);
      initialised.push_back(loop);
    });
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      EXPECT_TRUE(conn->getLoop()->isInLoopThread());
      if (!conn->connected())
      {
        ++down;
        return;
      }
      {
        std::lock_guard<std::mutex> lock(mutex);
        ups.push_back(conn->getLoop());
      }
      conn->send("up");
    });
    tcp->setMessageCallback([&](const TcpConnectionPtr& conn, Buffer* buffer, Timestamp) {
      EXPECT_TRUE(conn->getLoop()->isInLoopThread());
      conn->send(buffer);
    });
  });
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 9; ++i)
    {
      clients.emplace_back(new Client(server.address()));
      EXPECT_EQ("up", clients.back()->receive(2));
      ASSERT_TRUE(clients.back()->send("echo"));
      EXPECT_EQ("echo", clients.back()->receive(4));
    }
    ASSERT_EQ(3u, initialised.size());
    ASSERT_EQ(9u, ups.size());
    server.run([&] { EXPECT_EQ(initialised, server.tcp().threadPool()->getAllLoops()); });
    for (size_t i = 0; i < 9; ++i)
    {
      EXPECT_EQ(initialised[i % 3], ups[i]);
      EXPECT_NE(server.loop(), ups[i]);
    }
  }
  ASSERT_TRUE(eventually([&] { return down == 9; }));
  server.run([] {});
}
