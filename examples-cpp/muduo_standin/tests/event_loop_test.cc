// muduo::net::EventLoop: functors, quitting, and loops in threads.
#include "muduo/base/Thread.h"
#include "muduo/net/EventLoopThreadPool.h"
#include "support.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>

using namespace muduo;
using namespace muduo::net;
using support::Journal;
using support::LoopThread;

TEST(EventLoop, IsOneAThreadAndKnowsIt)
{
  EXPECT_EQ(nullptr, EventLoop::getEventLoopOfCurrentThread());
  {
    EventLoop loop;
    EXPECT_EQ(&loop, EventLoop::getEventLoopOfCurrentThread());
    EXPECT_TRUE(loop.isInLoopThread());
    loop.assertInLoopThread();
    Thread other([&] { EXPECT_FALSE(loop.isInLoopThread()); });
    other.start();
    other.join();
  }
  EXPECT_EQ(nullptr, EventLoop::getEventLoopOfCurrentThread());
}

TEST(EventLoop, RunInLoopIsImmediateAtHomeAndQueuedFromElsewhere)
{
  LoopThread thread;
  std::atomic<int> tid(0);
  thread.loop()->runInLoop([&] { tid = CurrentThread::tid(); });
  EXPECT_TRUE(support::eventually([&] { return tid != 0; }));
  EXPECT_NE(CurrentThread::tid(), tid);

  Journal journal;
  thread.run([&] {
    thread.loop()->runInLoop([&] { journal.add("inside"); });
    journal.add("after");
  });
  EXPECT_EQ("inside after", journal.joined());
}

TEST(EventLoop, QueuedFunctorsKeepTheirOrder)
{
  LoopThread thread;
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) thread.loop()->queueInLoop([&order, i] { order.push_back(i); });
  thread.run([] {});
  ASSERT_EQ(1000u, order.size());
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(i, order[static_cast<size_t>(i)]);
}

TEST(EventLoop, AFunctorQueuedByAFunctorRunsInTheNextRound)
{
  LoopThread thread;
  int64_t first = 0;
  std::atomic<int64_t> second(0);
  thread.loop()->queueInLoop([&] {
    first = thread.loop()->iteration();
    thread.loop()->queueInLoop([&] { second = thread.loop()->iteration(); });
  });
  ASSERT_TRUE(support::eventually([&] { return second != 0; }));
  EXPECT_EQ(first + 1, second);
}

TEST(EventLoop, AFunctorQueuedByAnEventRunsInTheSameRoundAfterTheEvents)
{
  LoopThread thread;
  Journal journal;
  int64_t first = 0;
  std::atomic<int64_t> second(0);
  thread.loop()->runAfter(0.001, [&] {
    EXPECT_TRUE(thread.loop()->eventHandling());
    first = thread.loop()->iteration();
    thread.loop()->queueInLoop([&] {
      EXPECT_FALSE(thread.loop()->eventHandling());
      journal.add("functor");
      second = thread.loop()->iteration();
    });
    EXPECT_GE(thread.loop()->queueSize(), 1u);
    journal.add("event");
  });
  ASSERT_TRUE(support::eventually([&] { return second != 0; }));
  EXPECT_EQ("event functor", journal.joined());
  EXPECT_EQ(first, second);
}

TEST(EventLoop, ManyThreadsMayQueue)
{
  LoopThread thread;
  int sum = 0;  // touched in the loop only
  std::vector<std::unique_ptr<Thread>> producers;
  for (int t = 0; t < 8; ++t)
  {
    producers.emplace_back(new Thread([&] {
      for (int i = 0; i < 1000; ++i) thread.loop()->queueInLoop([&] { ++sum; });
    }));
    producers.back()->start();
  }
  for (auto& producer : producers) producer->join();
  thread.run([&] { EXPECT_EQ(8000, sum); });
}

TEST(EventLoop, QuitsAndLoopsAgain)
{
  EventLoop loop;
  Journal journal;
  loop.runAfter(0.001, [&] {
    journal.add("first");
    loop.quit();
  });
  loop.loop();
  loop.runAfter(0.001, [&] {
    journal.add("second");
    loop.quit();
  });
  loop.loop();
  EXPECT_EQ("first second", journal.joined());
}

TEST(EventLoop, FinishesTheRoundInWhichItQuits)
{
  EventLoop loop;
  Journal journal;
  loop.runAfter(0.001, [&] {
    loop.queueInLoop([&] { journal.add("functor"); });
    loop.quit();
    journal.add("rest");
  });
  loop.loop();
  EXPECT_EQ("rest functor", journal.joined());
}

TEST(EventLoop, QuitsFromAnotherThread)
{
  EventLoop loop;
  Thread other([&] {
    support::sleepMillis(50);
    loop.quit();
  });
  other.start();
  loop.loop();
  other.join();
}

namespace
{

EventLoop* g_interrupted = nullptr;

void quitOnSignal(int)
{
  g_interrupted->quit();
}

}  // namespace

// The usual way to end a server: a handler that calls quit(), running in the loop's own thread.
TEST(EventLoop, QuitsFromASignalHandler)
{
  EventLoop loop;
  g_interrupted = &loop;
  struct sigaction action, before;
  memZero(&action, sizeof action);
  action.sa_handler = quitOnSignal;
  ::sigaction(SIGUSR1, &action, &before);
  const pthread_t home = ::pthread_self();
  Thread other([home] {
    support::sleepMillis(200);  // the loop sleeps by now
    ::pthread_kill(home, SIGUSR1);
  });
  other.start();
  loop.loop();
  other.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(EventLoop, RunsFunctorsThatWereQueuedBeforeItBegan)
{
  EventLoop loop;
  Journal journal;
  loop.queueInLoop([&] { journal.add("functor"); });
  EXPECT_EQ(1u, loop.queueSize());
  loop.runAfter(0.001, [&] { journal.add("timer"); });
  loop.runAfter(0.05, [&] { loop.quit(); });
  loop.loop();
  EXPECT_EQ("timer functor", journal.joined());
}

TEST(EventLoop, DestroysFunctorsThatNeverRan)
{
  auto owned = std::make_shared<int>(1);
  {
    EventLoop loop;
    loop.queueInLoop([owned] { FAIL(); });
    loop.runAfter(1000, [owned] { FAIL(); });
    EXPECT_EQ(3, owned.use_count());
  }
  EXPECT_EQ(1, owned.use_count());
}

TEST(EventLoop, SleepsWhenNothingHappens)
{
  LoopThread thread;
  int64_t before = 0, after = 0;
  thread.run([&] { before = thread.loop()->iteration(); });
  support::sleepMillis(200);
  thread.run([&] { after = thread.loop()->iteration(); });
  EXPECT_LE(after - before, 3);
}

TEST(EventLoop, TellsWhenTheEventsArrived)
{
  LoopThread thread;
  const Timestamp before = Timestamp::now();
  thread.run([&] {
    const Timestamp arrived = thread.loop()->pollReturnTime();
    EXPECT_LE(timeDifference(before, arrived), 0.001);
    EXPECT_GE(timeDifference(Timestamp::now(), arrived), 0.0);
  });
}

TEST(EventLoop, CarriesAContext)
{
  LoopThread thread;
  thread.run([&] {
    EXPECT_TRUE(thread.loop()->getContext().empty());
    thread.loop()->setContext(std::string("mine"));
    EXPECT_EQ("mine", boost::any_cast<const std::string&>(thread.loop()->getContext()));
    *boost::any_cast<std::string>(thread.loop()->getMutableContext()) += "!";
    EXPECT_EQ("mine!", boost::any_cast<std::string>(thread.loop()->getContext()));
  });
}

// --- loops in threads ---

TEST(EventLoopThread, InitialisesItsLoopBeforeItRuns)
{
  EventLoop* given = nullptr;
  std::string name;
  EventLoopThread thread(
      [&](EventLoop* loop) {
        given = loop;
        name = CurrentThread::name();
        EXPECT_TRUE(loop->isInLoopThread());
      },
      "io");
  EXPECT_EQ(thread.startLoop(), given);
  EXPECT_EQ("io", name);
  support::runIn(given, [] {});
}

TEST(EventLoopThreadPool, HandsOutTheBaseLoopWhenItHasNoThreads)
{
  EventLoop base;
  EventLoopThreadPool pool(&base, "pool");
  EventLoop* given = nullptr;
  EXPECT_FALSE(pool.started());
  pool.start([&](EventLoop* loop) { given = loop; });
  EXPECT_TRUE(pool.started());
  EXPECT_EQ(&base, given);
  EXPECT_EQ(&base, pool.getNextLoop());
  EXPECT_EQ(&base, pool.getLoopForHash(7));
  EXPECT_EQ(std::vector<EventLoop*>{&base}, pool.getAllLoops());
}

TEST(EventLoopThreadPool, HandsOutItsLoopsInTurn)
{
  EventLoop base;
  EventLoopThreadPool pool(&base, "pool");
  std::atomic<int> initialised(0);
  pool.setThreadNum(3);
  pool.start([&](EventLoop*) { ++initialised; });
  EXPECT_EQ(3, initialised);
  const std::vector<EventLoop*> all = pool.getAllLoops();
  ASSERT_EQ(3u, all.size());
  for (int round = 0; round < 2; ++round)
  {
    for (EventLoop* loop : all) EXPECT_EQ(loop, pool.getNextLoop());
  }
  for (size_t hash = 0; hash < 6; ++hash) EXPECT_EQ(all[hash % 3], pool.getLoopForHash(hash));
  for (EventLoop* loop : all)
  {
    EXPECT_NE(&base, loop);
    support::runIn(loop, [&] { EXPECT_EQ(loop, EventLoop::getEventLoopOfCurrentThread()); });
  }
}
