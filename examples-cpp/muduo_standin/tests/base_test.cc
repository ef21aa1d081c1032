// muduo/base: values, logging, threads.
#include "muduo/base/StringPiece.h"
#include "muduo/base/ThreadPool.h"
#include "muduo/base/Timestamp.h"
#include "muduo/base/WeakCallback.h"
#include "support.h"

#include <errno.h>
#include <regex.h>
#include <unistd.h>

#include <atomic>

using namespace muduo;

TEST(StringPiece, BorrowsBytesAndComparesThem)
{
  const std::string text("abc\0def", 7);
  StringPiece piece(text);
  EXPECT_EQ(7, piece.size());
  EXPECT_EQ(text, piece.as_string());
  EXPECT_EQ(text.data(), piece.data());

  piece.remove_prefix(1);
  piece.remove_suffix(2);
  EXPECT_EQ(std::string("bc\0d", 4), piece.as_string());
  EXPECT_TRUE(StringPiece("GET /").starts_with("GET"));
  EXPECT_FALSE(StringPiece("GE").starts_with("GET"));

  EXPECT_TRUE(StringPiece("ab") == StringPiece(std::string("ab")));
  EXPECT_TRUE(StringPiece("ab") != "abc");
  EXPECT_TRUE(StringPiece("ab") < "abc");
  EXPECT_TRUE(StringPiece("\xff") > "a");
  EXPECT_LT(StringPiece("a").compare("b"), 0);
  EXPECT_EQ(StringPiece("a").compare("a"), 0);

  piece.clear();
  EXPECT_TRUE(piece.empty());
  EXPECT_EQ("", StringPiece("x", 0).as_string());
}

TEST(Timestamp, CountsMicrosecondsInUtc)
{
  EXPECT_FALSE(Timestamp().valid());
  EXPECT_FALSE(Timestamp::invalid().valid());
  const Timestamp t = Timestamp::fromUnixTime(951782400, 42);  // a leap day
  EXPECT_EQ("20000229 00:00:00.000042", t.toFormattedString());
  EXPECT_EQ("20000229 00:00:00", t.toFormattedString(false));
  EXPECT_EQ("951782400.000042", t.toString());
  EXPECT_EQ(951782400, t.secondsSinceEpoch());
  EXPECT_EQ(951782400000042, t.microSecondsSinceEpoch());

  EXPECT_DOUBLE_EQ(1.5, timeDifference(addTime(t, 1.5), t));
  EXPECT_TRUE(t < addTime(t, 0.001));
  EXPECT_TRUE(addTime(t, 0.001) > t);
  EXPECT_TRUE(t <= t && t >= t && t == t);
  EXPECT_TRUE(t != addTime(t, -1));

  const Timestamp now = Timestamp::now();
  EXPECT_TRUE(now.valid());
  EXPECT_NEAR(static_cast<double>(::time(nullptr)), static_cast<double>(now.secondsSinceEpoch()), 2.0);
}

// --- logging ---

namespace
{

std::string g_logged;

bool matches(const std::string& text, const char* pattern)
{
  regex_t regex;
  if (::regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) return false;
  const bool found = ::regexec(&regex, text.c_str(), 0, nullptr, 0) == 0;
  ::regfree(&regex);
  return found;
}

void capture(const char* msg, int len)
{
  g_logged.append(msg, static_cast<size_t>(len));
}

class Logging : public ::testing::Test
{
 protected:
  Logging() : level_(Logger::logLevel())
  {
    g_logged.clear();
    Logger::setOutput(capture);
  }
  ~Logging() override
  {
    Logger::setOutput([](const char*, int) {});
    Logger::setLogLevel(level_);
  }

  const Logger::LogLevel level_;
};

}  // namespace

TEST_F(Logging, WritesOneLineWithTimeThreadLevelAndPlace)
{
  LOG_INFO << "hello " << 42 << ' ' << std::string("world");
  EXPECT_TRUE(matches(g_logged, "^[0-9]{8} [0-9:]{8}\\.[0-9]{6}Z +[0-9]+ "
                                "INFO  hello 42 world - base_test\\.cc:[0-9]+\n$"))
      << g_logged;
}

TEST_F(Logging, LeavesOutWhatIsBelowTheLevel)
{
  Logger::setLogLevel(Logger::WARN);
  EXPECT_EQ(Logger::WARN, Logger::logLevel());
  LOG_TRACE << "no";
  LOG_DEBUG << "no";
  LOG_INFO << "no";
  EXPECT_EQ("", g_logged);
  Logger::setLogLevel(Logger::ERROR);
  LOG_WARN << "warnings are never left out";
  EXPECT_NE(std::string::npos, g_logged.find("WARN  warnings"));
}

TEST_F(Logging, NamesTheFunctionWhenDebugging)
{
  Logger::setLogLevel(Logger::TRACE);
  LOG_DEBUG << "x";
  EXPECT_NE(std::string::npos, g_logged.find("DEBUG TestBody x - ")) << g_logged;
}

TEST_F(Logging, ExplainsErrno)
{
  errno = ENOENT;
  LOG_SYSERR << "open";
  EXPECT_NE(std::string::npos, g_logged.find("ERROR No such file or directory (errno=2) open")) << g_logged;
}

TEST_F(Logging, LeavesOutAPieceThatDoesNotFit)
{
  LOG_WARN << "before " << std::string(5000, 'x') << "after";
  EXPECT_NE(std::string::npos, g_logged.find("before after")) << g_logged;
  EXPECT_EQ('\n', g_logged.back());
}

TEST(LogStream, FormatsLikeMuduo)
{
  LogStream s;
  s << true << ' ' << static_cast<short>(-1) << ' ' << 0u << ' ' << -2147483647 - 1 << ' ' << 18446744073709551615ull
    << ' ' << 0.1 << ' ' << 1.5f << ' ' << 'c' << ' ' << reinterpret_cast<const void*>(0xabc) << ' '
    << static_cast<const char*>(nullptr) << ' ' << StringPiece("piece") << Fmt("%03d", 7);
  EXPECT_EQ("1 -1 0 -2147483648 18446744073709551615 0.1 1.5 c 0xABC (null) piece007", s.buffer().toString());
}

// --- threads ---

TEST(CurrentThread, KnowsItself)
{
  EXPECT_EQ(::getpid(), CurrentThread::tid());
  EXPECT_TRUE(CurrentThread::isMainThread());
  EXPECT_STREQ("main", CurrentThread::name());
}

TEST(Thread, RunsUnderItsName)
{
  const int before = Thread::numCreated();
  std::string name;
  int tid = 0;
  bool main = true;
  Thread thread(
      [&] {
        name = CurrentThread::name();
        tid = CurrentThread::tid();
        main = CurrentThread::isMainThread();
      },
      "worker");
  EXPECT_FALSE(thread.started());
  thread.start();
  EXPECT_TRUE(thread.started());
  EXPECT_GT(thread.tid(), 0);
  EXPECT_EQ(0, thread.join());
  EXPECT_EQ("worker", name);
  EXPECT_EQ(thread.tid(), tid);
  EXPECT_FALSE(main);
  EXPECT_EQ(before + 1, Thread::numCreated());
}

TEST(Thread, IsDetachedWhenNotJoined)
{
  auto ran = std::make_shared<std::atomic<bool>>(false);
  {
    Thread thread([ran] {
      support::sleepMillis(20);
      *ran = true;
    });
    thread.start();
  }
  EXPECT_TRUE(support::eventually([&] { return ran->load(); }));
}

TEST(CountDownLatch, OpensAtZero)
{
  CountDownLatch latch(2);
  Thread thread([&] {
    latch.countDown();
    latch.countDown();
  });
  thread.start();
  latch.wait();
  EXPECT_EQ(0, latch.getCount());
  thread.join();
}

TEST(Condition, TellsATimeoutFromANotification)
{
  MutexLock mutex;
  Condition condition(mutex);
  {
    MutexLockGuard lock(mutex);
    EXPECT_TRUE(mutex.isLockedByThisThread());
    EXPECT_TRUE(condition.waitForSeconds(0.01));
    EXPECT_TRUE(mutex.isLockedByThisThread());
  }
  bool ready = false;
  Thread thread([&] {
    MutexLockGuard lock(mutex);
    ready = true;
    condition.notifyAll();
  });
  {
    MutexLockGuard lock(mutex);
    thread.start();
    while (!ready) EXPECT_FALSE(condition.waitForSeconds(support::kLimit));
  }
  thread.join();
}

TEST(ThreadPool, RunsTasksOnItsThreads)
{
  ThreadPool pool("pool");
  std::atomic<int> initialised(0), ran(0);
  pool.setMaxQueueSize(4);
  pool.setThreadInitCallback([&] { ++initialised; });
  pool.start(3);
  CountDownLatch done(100);
  for (int i = 0; i < 100; ++i)
  {
    pool.run([&] {
      if (!CurrentThread::isMainThread()) ++ran;
      done.countDown();
    });
  }
  done.wait();
  EXPECT_EQ(100, ran);
  pool.stop();
  EXPECT_EQ(3, initialised);
}

TEST(ThreadPool, RunsInTheCallerWithoutThreads)
{
  ThreadPool pool;
  pool.start(0);
  bool here = false;
  pool.run([&] { here = CurrentThread::isMainThread(); });
  EXPECT_TRUE(here);
}

namespace
{

struct Counter
{
  void increment() { ++count; }
  int count = 0;
};

}  // namespace

TEST(WeakCallback, CallsOnlyTheLiving)
{
  auto counter = std::make_shared<Counter>();
  const std::function<void()> callback = makeWeakCallback(counter, &Counter::increment);
  callback();
  EXPECT_EQ(1, counter->count);
  EXPECT_EQ(1, counter.use_count());
  counter.reset();
  callback();
}
