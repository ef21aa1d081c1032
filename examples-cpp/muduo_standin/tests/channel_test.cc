// muduo::net::Channel on descriptors that are not the server's: pipes, pairs, a connecting socket. This is what an
// integration of another event-driven library, such as libcurl, stands on.
#include "muduo/net/Channel.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

using namespace muduo;
using namespace muduo::net;
using support::Journal;
using support::LoopThread;
using support::eventually;

namespace
{

// A pair of descriptors and a channel on the first, all callbacks written to a journal.
class ChannelTest : public ::testing::Test
{
 protected:
  void usePipe()
  {
    ASSERT_EQ(0, ::pipe2(fds_, O_NONBLOCK | O_CLOEXEC));
  }

  void useWriteEndOfPipe()
  {
    usePipe();
    std::swap(fds_[0], fds_[1]);
  }

  void useSocketPair() { ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds_)); }

  // In the loop.
  void makeChannel()
  {
    channel_.reset(new Channel(thread_.loop(), fds_[0]));
    channel_->setReadCallback([this](Timestamp) {
      char data[16];
      const ssize_t n = ::read(fds_[0], data, sizeof data);
      journal_.add(n > 0 ? "read:" + std::string(data, static_cast<size_t>(n)) : n == 0 ? "end" : "nothing");
      if (n <= 0) endChannel();
    });
    channel_->setWriteCallback([this] {
      journal_.add("write");
      channel_->disableWriting();
    });
    channel_->setCloseCallback([this] {
      journal_.add("close");
      endChannel();
    });
    channel_->setErrorCallback([this] { journal_.add("error"); });
  }

  // From inside a callback as well: the object itself goes later.
  void endChannel()
  {
    if (!channel_) return;
    channel_->disableAll();
    channel_->remove();
    std::shared_ptr<Channel> ending(std::move(channel_));
    thread_.loop()->queueInLoop([ending] {});
  }

  void writeOther(const std::string& data)
  {
    ASSERT_EQ(static_cast<ssize_t>(data.size()), ::write(fds_[1], data.data(), data.size()));
  }

  void closeOther()
  {
    ::close(fds_[1]);
    fds_[1] = -1;
  }

  ~ChannelTest() override
  {
    thread_.run([this] { endChannel(); });
    thread_.run([] {});
    for (int fd : fds_)
    {
      if (fd >= 0) ::close(fd);
    }
  }

  bool wait(const std::string& entry)
  {
    return eventually([&] { return journal_.has(entry); });
  }

  int fds_[2] = {-1, -1};
  Journal journal_;
  LoopThread thread_;
  std::unique_ptr<Channel> channel_;
};

}  // namespace

TEST_F(ChannelTest, ReadsWhatArrives)
{
  usePipe();
  thread_.run([&] {
    makeChannel();
    EXPECT_EQ(fds_[0], channel_->fd());
    EXPECT_EQ(thread_.loop(), channel_->ownerLoop());
    EXPECT_TRUE(channel_->isNoneEvent());
    channel_->enableReading();
    EXPECT_TRUE(channel_->isReading());
    EXPECT_FALSE(channel_->isWriting());
    EXPECT_TRUE(thread_.loop()->hasChannel(channel_.get()));
  });
  writeOther("one");
  EXPECT_TRUE(wait("read:one"));
  writeOther("two");
  EXPECT_TRUE(wait("read:two"));
}

TEST_F(ChannelTest, RepeatsUntilEverythingIsRead)
{
  usePipe();
  writeOther("0123456789abcdef0123456789abcdef!");  // read 16 at a time
  thread_.run([&] {
    makeChannel();
    channel_->enableReading();
  });
  EXPECT_TRUE(wait("read:!"));
  EXPECT_EQ(3u, journal_.entries().size());
}

TEST_F(ChannelTest, ReadsWhatWasLeftBeforeTheHangUp)
{
  usePipe();
  writeOther("last");
  closeOther();
  thread_.run([&] {
    makeChannel();
    channel_->enableReading();
  });
  EXPECT_TRUE(wait("close"));
  EXPECT_EQ("read:last close", journal_.joined());
}

TEST_F(ChannelTest, AHangUpWithNothingToReadIsAClose)
{
  usePipe();
  thread_.run([&] {
    makeChannel();
    channel_->doNotLogHup();
    channel_->enableReading();
  });
  closeOther();
  EXPECT_TRUE(wait("close"));
  EXPECT_EQ("close", journal_.joined());
}

TEST_F(ChannelTest, AnErrorComesBeforeTheWrite)
{
  useWriteEndOfPipe();
  thread_.run([&] {
    makeChannel();
    channel_->enableWriting();
  });
  EXPECT_TRUE(wait("write"));
  thread_.run([] {});
  EXPECT_EQ("write", journal_.joined());
  closeOther();  // nobody reads any more
  thread_.run([&] { channel_->enableWriting(); });
  EXPECT_TRUE(eventually([&] { return journal_.count("write") == 2; }));
  EXPECT_EQ("write error write", journal_.joined());
}

TEST_F(ChannelTest, WritesOnceEnabledAndReadsAtTheSameTime)
{
  useSocketPair();
  writeOther("in");
  thread_.run([&] {
    makeChannel();
    channel_->enableReading();
    channel_->enableWriting();
    EXPECT_TRUE(channel_->isWriting() && channel_->isReading());
  });
  EXPECT_TRUE(wait("write"));
  EXPECT_EQ("read:in write", journal_.joined());
}

TEST_F(ChannelTest, StopsAndStarts)
{
  usePipe();
  thread_.run([&] {
    makeChannel();
    channel_->enableReading();
    channel_->disableReading();
    EXPECT_TRUE(channel_->isNoneEvent());
    EXPECT_TRUE(thread_.loop()->hasChannel(channel_.get()));
  });
  writeOther("x");
  support::sleepMillis(30);
  thread_.run([&] {
    EXPECT_EQ("", journal_.joined());
    channel_->enableReading();
  });
  EXPECT_TRUE(wait("read:x"));
}

TEST_F(ChannelTest, IsGoneAfterRemove)
{
  usePipe();
  thread_.run([&] {
    makeChannel();
    channel_->enableReading();
    channel_->disableAll();
    channel_->remove();
    EXPECT_FALSE(thread_.loop()->hasChannel(channel_.get()));
  });
  writeOther("x");
  support::sleepMillis(30);
  thread_.run([&] {
    EXPECT_EQ("", journal_.joined());
    channel_->enableReading();  // and may come back
  });
  EXPECT_TRUE(wait("read:x"));
}

TEST_F(ChannelTest, ADescriptorMayBeUsedAgain)
{
  for (int i = 0; i < 3; ++i)
  {
    usePipe();
    thread_.run([&] {
      makeChannel();
      channel_->enableReading();
    });
    writeOther(std::to_string(i));
    EXPECT_TRUE(wait("read:" + std::to_string(i)));
    thread_.run([&] {
      endChannel();
      ::close(fds_[0]);
      closeOther();
    });
  }
  fds_[0] = -1;
}

TEST_F(ChannelTest, HandsOverTheTimeOfTheRound)
{
  usePipe();
  std::atomic<bool> done(false);
  thread_.run([&] {
    makeChannel();
    channel_->setReadCallback([&](Timestamp t) {
      EXPECT_EQ(thread_.loop()->pollReturnTime().microSecondsSinceEpoch(), t.microSecondsSinceEpoch());
      channel_->disableAll();
      done = true;
    });
    channel_->enableReading();
  });
  writeOther("x");
  EXPECT_TRUE(eventually([&] { return done.load(); }));
}

TEST_F(ChannelTest, IsSilentWhenItsOwnerIsGone)
{
  usePipe();
  auto owner = std::make_shared<int>(0);
  thread_.run([&] {
    makeChannel();
    channel_->tie(owner);
    channel_->enableReading();
  });
  writeOther("alive");
  EXPECT_TRUE(wait("read:alive"));
  thread_.run([&] { owner.reset(); });
  writeOther("gone");
  support::sleepMillis(30);
  thread_.run([&] { channel_->disableAll(); });
  EXPECT_EQ("read:alive", journal_.joined());
}

TEST_F(ChannelTest, KeepsItsOwnerAliveDuringACallback)
{
  usePipe();
  auto owner = std::make_shared<int>(0);
  std::weak_ptr<int> watch(owner);
  std::atomic<bool> done(false);
  thread_.run([&] {
    makeChannel();
    channel_->tie(owner);
    channel_->setReadCallback([&](Timestamp) {
      channel_->disableAll();
      owner.reset();
      EXPECT_FALSE(watch.expired());
      done = true;
    });
    channel_->enableReading();
  });
  writeOther("x");
  EXPECT_TRUE(eventually([&] { return done.load(); }));
  thread_.run([&] { EXPECT_TRUE(watch.expired()); });
}

// How a connect in progress ends: refused is an error and then a write, made is a write.
TEST_F(ChannelTest, FollowsAConnectInProgress)
{
  const InetAddress nobody = support::freeAddress();
  support::Server server;
  for (const InetAddress& target : {nobody, server.address()})
  {
    fds_[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int result = ::connect(fds_[0], target.getSockAddr(), sizeof(struct sockaddr_in));
    ASSERT_TRUE(result == 0 || errno == EINPROGRESS);
    int error = -1;
    std::atomic<bool> done(false);
    thread_.run([&] {
      makeChannel();
      channel_->setCloseCallback([&] { journal_.add("close"); });
      channel_->setWriteCallback([&] {
        socklen_t length = sizeof error;
        ::getsockopt(fds_[0], SOL_SOCKET, SO_ERROR, &error, &length);
        endChannel();
        done = true;
      });
      channel_->enableWriting();
    });
    ASSERT_TRUE(eventually([&] { return done.load(); }));
    thread_.run([] {});
    EXPECT_EQ(target.port() == nobody.port() ? ECONNREFUSED : 0, error);
    ::close(fds_[0]);
    fds_[0] = -1;
  }
  EXPECT_EQ("close error", journal_.joined());
}

// A callback may end another channel at once, as long as that is removed and destroyed later. What the other one was
// about to do in this round, it still does.
TEST_F(ChannelTest, AnotherReadyChannelIsRemovedLater)
{
  LoopThread thread;
  int pipes[2][2];
  Journal journal;
  std::unique_ptr<Channel> channels[2];
  ASSERT_EQ(0, ::pipe2(pipes[0], O_CLOEXEC));
  ASSERT_EQ(0, ::pipe2(pipes[1], O_CLOEXEC));
  thread.run([&] {
    for (int i = 0; i < 2; ++i)
    {
      channels[i].reset(new Channel(thread.loop(), pipes[i][0]));
      channels[i]->setReadCallback([&, i](Timestamp) {
        journal.add("read");
        for (auto& channel : channels) channel->disableAll();
        thread.loop()->queueInLoop([&] {
          for (auto& channel : channels)
          {
            if (channel) channel->remove();
            channel.reset();
          }
          journal.add("removed");
        });
      });
      channels[i]->enableReading();
      ASSERT_EQ(1, ::write(pipes[i][1], "x", 1));
    }
  });
  EXPECT_TRUE(eventually([&] { return journal.count("removed") == 2; }));
  EXPECT_EQ("read read removed removed", journal.joined());
  for (auto& pipe : pipes)
  {
    ::close(pipe[0]);
    ::close(pipe[1]);
  }
}
