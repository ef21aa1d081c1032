// Timers of muduo::net::EventLoop.
#include "support.h"

#include <atomic>

using namespace muduo;
using namespace muduo::net;
using support::Journal;
using support::LoopThread;

TEST(Timer, RunsInTheLoopNotBeforeItsTime)
{
  LoopThread thread;
  std::atomic<bool> ran(false);
  const Timestamp start = Timestamp::now();
  double late = 0;
  thread.loop()->runAfter(0.05, [&] {
    EXPECT_TRUE(thread.loop()->isInLoopThread());
    late = timeDifference(Timestamp::now(), start);
    ran = true;
  });
  ASSERT_TRUE(support::eventually([&] { return ran.load(); }));
  EXPECT_GE(late, 0.0495);
}

TEST(Timer, RunsInOrderOfTimeNotOfMaking)
{
  LoopThread thread;
  Journal journal;
  thread.run([&] {
    const Timestamp now = Timestamp::now();
    thread.loop()->runAt(addTime(now, 0.06), [&] { journal.add("c"); });
    thread.loop()->runAt(addTime(now, 0.02), [&] { journal.add("a"); });
    thread.loop()->runAt(addTime(now, 0.04), [&] { journal.add("b"); });
  });
  ASSERT_TRUE(support::eventually([&] { return journal.has("c"); }));
  EXPECT_EQ("a b c", journal.joined());
}

// A loop that was busy finds several due at once, and still runs them in order.
TEST(Timer, RunsInOrderAfterADelay)
{
  LoopThread thread;
  Journal journal;
  thread.run([&] {
    const Timestamp now = Timestamp::now();
    for (int i = 9; i >= 0; --i)
    {
      thread.loop()->runAt(addTime(now, 0.001 * i), [&, i] { journal.add(std::to_string(i)); });
    }
    support::sleepMillis(50);
  });
  ASSERT_TRUE(support::eventually([&] { return journal.entries().size() == 10; }));
  EXPECT_EQ("0 1 2 3 4 5 6 7 8 9", journal.joined());
}

TEST(Timer, NeverRunsInsideTheCallThatMakesIt)
{
  LoopThread thread;
  Journal journal;
  thread.run([&] {
    thread.loop()->runAfter(0, [&] { journal.add("now"); });
    thread.loop()->runAfter(-5, [&] { journal.add("negative"); });
    thread.loop()->runAt(addTime(Timestamp::now(), -3600), [&] { journal.add("past"); });
    EXPECT_EQ("", journal.joined());
  });
  EXPECT_TRUE(support::eventually([&] { return journal.entries().size() == 3; }));
}

TEST(Timer, RepeatsUntilCancelledFromItsOwnCallback)
{
  LoopThread thread;
  TimerId id;
  int ticks = 0;
  std::atomic<bool> ended(false);
  thread.run([&] {
    id = thread.loop()->runEvery(0.005, [&] {
      if (++ticks < 5) return;
      thread.loop()->cancel(id);
      thread.loop()->runAfter(0.05, [&] { ended = true; });
    });
  });
  ASSERT_TRUE(support::eventually([&] { return ended.load(); }));
  thread.run([&] { EXPECT_EQ(5, ticks); });
}

TEST(Timer, RepeatsAtItsIntervalWithoutCatchingUp)
{
  LoopThread thread;
  std::vector<Timestamp> ticks;
  TimerId id = thread.loop()->runEvery(0.03, [&] {
    ticks.push_back(Timestamp::now());
    if (ticks.size() == 1) support::sleepMillis(100);  // misses three ticks
  });
  support::sleepMillis(300);
  thread.loop()->cancel(id);
  thread.run([&] {
    ASSERT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 8u);
  });
}

TEST(Timer, AnIntervalOfZeroRunsOnce)
{
  LoopThread thread;
  std::atomic<int> ran(0);
  thread.loop()->runEvery(0.0, [&] { ++ran; });
  EXPECT_TRUE(support::eventually([&] { return ran > 0; }));
  support::sleepMillis(30);
  thread.run([] {});
  EXPECT_EQ(1, ran);
}

TEST(Timer, IsCancelledBeforeItRuns)
{
  LoopThread thread;
  auto owned = std::make_shared<int>(0);
  TimerId fromHere = thread.loop()->runAfter(0.05, [owned] { FAIL(); });
  thread.loop()->cancel(fromHere);
  thread.run([&] {
    TimerId fromLoop = thread.loop()->runAfter(0.05, [owned] { FAIL(); });
    thread.loop()->cancel(fromLoop);
    EXPECT_EQ(1, owned.use_count());  // cancelling destroys the callback
  });
  support::sleepMillis(100);
  thread.run([] {});
}

TEST(Timer, CancellingNothingOrTwiceOrTooLateIsHarmless)
{
  LoopThread thread;
  thread.loop()->cancel(TimerId());
  std::atomic<bool> ran(false);
  TimerId id = thread.loop()->runAfter(0.001, [&] { ran = true; });
  ASSERT_TRUE(support::eventually([&] { return ran.load(); }));
  thread.loop()->cancel(id);
  thread.loop()->cancel(id);
  thread.run([&] {
    thread.loop()->cancel(id);
    TimerId copy = id;
    thread.loop()->cancel(copy);
  });
}

TEST(Timer, MayCancelItselfWhileItRuns)
{
  LoopThread thread;
  auto id = std::make_shared<TimerId>();
  auto owned = std::make_shared<int>(0);
  Journal journal;
  thread.run([&] {
    *id = thread.loop()->runAfter(0.005, [&, id, owned] {
      thread.loop()->cancel(*id);
      thread.loop()->cancel(*id);
      EXPECT_EQ(2, owned.use_count());  // what runs is not destroyed before it has ended
      journal.add("ran");
    });
  });
  ASSERT_TRUE(support::eventually([&] { return journal.has("ran"); }));
  support::sleepMillis(30);
  thread.run([&] { EXPECT_EQ(1, owned.use_count()); });
  EXPECT_EQ("ran", journal.joined());
}

// A TimerId that is kept names a timer that is gone; no later one is hit by it, wherever it lies in memory.
TEST(Timer, AnOldIdCancelsNoNewTimer)
{
  LoopThread thread;
  std::atomic<int> ran(0);
  for (int i = 1; i <= 50; ++i)
  {
    const TimerId old = thread.loop()->runAfter(0.0, [&] { ++ran; });
    ASSERT_TRUE(support::eventually([&] { return ran == 2 * i - 1; }));
    thread.run([&] {
      thread.loop()->runAfter(0.0, [&] { ++ran; });
      thread.loop()->cancel(old);
    });
    ASSERT_TRUE(support::eventually([&] { return ran == 2 * i; }));
  }
}

// A deadline in the past comes again and again: the loop spins, with 0.1 ms between two turns.
TEST(Timer, OneInThePastThatRearmsItselfSpins)
{
  LoopThread thread;
  std::atomic<int> ran(0);
  std::function<void()> again = [&] {
    if (++ran < 200) thread.loop()->runAt(addTime(Timestamp::now(), -1), again);
  };
  int64_t before = 0, after = 0;
  const Timestamp start = Timestamp::now();
  thread.run([&] {
    before = thread.loop()->iteration();
    again();
  });
  ASSERT_TRUE(support::eventually([&] { return ran == 200; }));
  EXPECT_GE(timeDifference(Timestamp::now(), start), 0.0199);
  thread.run([&] { after = thread.loop()->iteration(); });
  EXPECT_GE(after - before, 199);
}

// Muduo takes all due timers out before it runs the first: too late to stop, early enough not to repeat.
TEST(Timer, OneThatIsDueInTheSameRoundStillRunsWhenCancelled)
{
  LoopThread thread;
  Journal journal;
  thread.run([&] {
    auto once = std::make_shared<TimerId>();
    auto repeating = std::make_shared<TimerId>();
    thread.loop()->runAfter(0.001, [&, once, repeating] {
      thread.loop()->cancel(*once);
      thread.loop()->cancel(*repeating);
      journal.add("cancel");
    });
    *once = thread.loop()->runAfter(0.002, [&] { journal.add("once"); });
    *repeating = thread.loop()->runEvery(0.003, [&] { journal.add("repeating"); });
    support::sleepMillis(30);  // all three are due when the loop looks
  });
  support::sleepMillis(100);
  thread.run([] {});
  EXPECT_EQ("cancel once repeating", journal.joined());
}

TEST(Timer, MayMakeTimers)
{
  LoopThread thread;
  std::atomic<int> depth(0);
  std::function<void()> next = [&] {
    if (++depth < 20) thread.loop()->runAfter(0.0, next);
  };
  thread.loop()->runAfter(0.0, next);
  EXPECT_TRUE(support::eventually([&] { return depth == 20; }));
}

TEST(Timer, ThereMayBeThousands)
{
  LoopThread thread;
  std::atomic<int> ran(0);
  thread.run([&] {
    std::vector<TimerId> cancelled;
    for (int i = 0; i < 4000; ++i)
    {
      TimerId id = thread.loop()->runAfter(0.001 * (i % 20), [&] { ++ran; });
      if (i % 4 == 0) cancelled.push_back(id);
    }
    for (TimerId id : cancelled) thread.loop()->cancel(id);
  });
  EXPECT_TRUE(support::eventually([&] { return ran >= 3000; }));
  support::sleepMillis(50);
  thread.run([] {});
  EXPECT_EQ(3000, ran);
}
