// What Muduo leaves undefined in release builds, the stand-in refuses with the reason. Nothing of it can run on Muduo.
#include "muduo/base/Types.h"

#ifdef MUDUO_STANDIN

#include "muduo/base/Thread.h"
#include "muduo/net/Buffer.h"
#include "muduo/net/Channel.h"
#include "muduo/net/http/HttpContext.h"
#include "support.h"

#include <unistd.h>

using namespace muduo;
using namespace muduo::net;

namespace
{

class Contract : public ::testing::Test
{
 protected:
  Contract()
  {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    if (::pipe(pipe_) != 0) ::abort();
  }

  ~Contract() override
  {
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }

  int pipe_[2];
};

}  // namespace

TEST_F(Contract, OneLoopAThread)
{
  EXPECT_DEATH(
      {
        EventLoop first;
        EventLoop second;
      },
      "at most one EventLoop");
}

TEST_F(Contract, TheLoopsThreadOnly)
{
  EXPECT_DEATH(
      {
        EventLoop loop;
        Channel channel(&loop, pipe_[0]);
        Thread other([&] { channel.enableReading(); });
        other.start();
        other.join();
      },
      "belongs in the loop's thread");
}

TEST_F(Contract, ADestroyedChannelWasRemoved)
{
  EXPECT_DEATH(
      {
        EventLoop loop;
        Channel channel(&loop, pipe_[0]);
        channel.enableReading();
      },
      "destroyed after disableAll\\(\\) and remove\\(\\)");
}

TEST_F(Contract, ARemovedChannelWasDisabled)
{
  EXPECT_DEATH(
      {
        EventLoop loop;
        Channel channel(&loop, pipe_[0]);
        channel.enableReading();
        channel.remove();
      },
      "comes after disableAll\\(\\)");
}

TEST_F(Contract, OneChannelADescriptor)
{
  EXPECT_DEATH(
      {
        EventLoop loop;
        Channel first(&loop, pipe_[0]);
        Channel second(&loop, pipe_[0]);
        first.enableReading();
        second.enableReading();
      },
      "one Channel a loop");
}

TEST_F(Contract, NoCallbackRemovesAnotherReadyChannel)
{
  EXPECT_DEATH(
      {
        EventLoop loop;
        Channel reader(&loop, pipe_[0]);
        Channel writer(&loop, pipe_[1]);
        if (::write(pipe_[1], "x", 1) != 1) ::abort();
        auto removeBoth = [&] {
          for (Channel* channel : {&reader, &writer})
          {
            channel->disableAll();
            channel->remove();
          }
        };
        reader.setReadCallback([&](Timestamp) { removeBoth(); });
        writer.setWriteCallback(removeBoth);
        reader.enableReading();
        writer.enableWriting();
        loop.loop();
      },
      "remove another channel that is ready in the same round");
}

TEST_F(Contract, AContextIsResetBetweenRequests)
{
  EXPECT_DEATH(
      {
        HttpContext context;
        Buffer buffer;
        buffer.append("GET / HTTP/1.1\r\n\r\n");
        context.parseRequest(&buffer, Timestamp::now());
        context.parseRequest(&buffer, Timestamp::now());
      },
      "Muduo would loop for ever");
}

TEST_F(Contract, AnAddressThatIsTakenStopsTheServer)
{
  support::Server server;
  EXPECT_DEATH(
      {
        EventLoop loop;
        TcpServer second(&loop, server.address(), "second");
      },
      "cannot bind 127\\.");
}

// Milder than Muduo, on purpose: these can make it report "down" twice.
TEST(Mildness, AClosedConnectionThatWasPausedGoesDownOnce)
{
  support::Journal journal;
  TcpConnectionPtr kept;
  support::Server server([&](TcpServer* tcp) {
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      kept = conn;
      journal.add(conn->connected() ? "up" : "down");
      if (conn->connected()) conn->stopRead();
    });
  });
  support::Client client(server.address());
  ASSERT_TRUE(support::eventually([&] { return journal.has("up"); }));
  client.reset();
  support::sleepMillis(30);
  server.run([&] { kept->forceClose(); });
  ASSERT_TRUE(support::eventually([&] { return journal.has("down"); }));
  support::sleepMillis(30);
  server.run([&] { kept.reset(); });
  EXPECT_EQ("up down", journal.joined());
}

TEST(Mildness, ReadingIsNotRestartedOnAConnectionThatIsDown)
{
  support::Journal journal;
  TcpConnectionPtr kept;
  support::Server server([&](TcpServer* tcp) {
    tcp->setConnectionCallback([&](const TcpConnectionPtr& conn) {
      kept = conn;
      journal.add(conn->connected() ? "up" : "down");
    });
  });
  support::Client client(server.address());
  ASSERT_TRUE(support::eventually([&] { return journal.has("up"); }));
  client.close();
  ASSERT_TRUE(support::eventually([&] { return journal.has("down"); }));
  server.run([&] {
    kept->startRead();
    kept->stopRead();
    kept->startRead();
  });
  support::sleepMillis(30);
  server.run([&] { kept.reset(); });
  EXPECT_EQ("up down", journal.joined());
}

#endif  // MUDUO_STANDIN
