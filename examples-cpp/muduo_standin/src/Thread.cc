// Part of the Muduo stand-in: threads and what they wait on.
#include "muduo/base/CountDownLatch.h"
#include "muduo/base/Thread.h"
#include "muduo/base/ThreadPool.h"

#include "contract.h"

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace muduo
{

// --- CurrentThread ---

namespace CurrentThread
{

__thread int t_cachedTid = 0;
__thread char t_tidString[32];
__thread int t_tidStringLength = 0;
__thread const char* t_threadName = "unknown";

void cacheTid()
{
  t_cachedTid = static_cast<int>(::syscall(SYS_gettid));
  t_tidStringLength = ::snprintf(t_tidString, sizeof t_tidString, "%5d ", t_cachedTid);
}

bool isMainThread()
{
  return tid() == ::getpid();
}

void sleepUsec(int64_t usec)
{
  struct timespec ts;
  ts.tv_sec = static_cast<time_t>(usec / Timestamp::kMicroSecondsPerSecond);
  ts.tv_nsec = static_cast<long>(usec % Timestamp::kMicroSecondsPerSecond * 1000);
  ::nanosleep(&ts, nullptr);
}

}  // namespace CurrentThread

namespace
{

void becomeMainThread()
{
  CurrentThread::cacheTid();
  CurrentThread::t_threadName = "main";
}

// A forked child has one thread, with another id than the cached one.
struct MainThreadAtStartAndAfterFork
{
  MainThreadAtStartAndAfterFork()
  {
    becomeMainThread();
    ::pthread_atfork(nullptr, nullptr, &becomeMainThread);
  }
} g_mainThread;

}  // namespace

// --- Condition, CountDownLatch ---

void Condition::wait()
{
  mutex_.holder_ = 0;
  ::pthread_cond_wait(&pcond_, mutex_.getPthreadMutex());
  mutex_.holder_ = CurrentThread::tid();
}

bool Condition::waitForSeconds(double seconds)
{
  struct timespec until;
  ::clock_gettime(CLOCK_REALTIME, &until);
  const int64_t kNanosPerSecond = 1000 * 1000 * 1000;
  const int64_t nanos = until.tv_nsec + static_cast<int64_t>(seconds * static_cast<double>(kNanosPerSecond));
  until.tv_sec += static_cast<time_t>(nanos / kNanosPerSecond);
  until.tv_nsec = static_cast<long>(nanos % kNanosPerSecond);

  mutex_.holder_ = 0;
  const int result = ::pthread_cond_timedwait(&pcond_, mutex_.getPthreadMutex(), &until);
  mutex_.holder_ = CurrentThread::tid();
  return result == ETIMEDOUT;
}

CountDownLatch::CountDownLatch(int count) : condition_(mutex_), count_(count) {}

void CountDownLatch::wait()
{
  MutexLockGuard lock(mutex_);
  while (count_ > 0) condition_.wait();
}

void CountDownLatch::countDown()
{
  MutexLockGuard lock(mutex_);
  if (--count_ == 0) condition_.notifyAll();
}

int CountDownLatch::getCount() const
{
  MutexLockGuard lock(mutex_);
  return count_;
}

// --- Thread ---

AtomicInt32 Thread::numCreated_;

namespace
{

// The new thread works on its own copies: a Thread may be destroyed, and so detached, while it runs.
struct ThreadStart
{
  Thread::ThreadFunc func;
  string name;
  pid_t* tid;             // in the Thread, which waits for
  CountDownLatch* ready;  // this before it goes on
};

void* runThread(void* arg)
{
  std::unique_ptr<ThreadStart> start(static_cast<ThreadStart*>(arg));
  CurrentThread::t_threadName = start->name.c_str();
  ::prctl(PR_SET_NAME, start->name.c_str());
  *start->tid = CurrentThread::tid();
  start->ready->countDown();

  start->func();  // an exception that leaves it ends the process
  CurrentThread::t_threadName = "finished";
  return nullptr;
}

}  // namespace

Thread::Thread(ThreadFunc func, const string& name)
    : started_(false), joined_(false), pthreadId_(0), tid_(0), func_(std::move(func)), name_(name), latch_(1)
{
  const int number = numCreated_.incrementAndGet();
  if (name_.empty()) name_ = "Thread" + std::to_string(number);
}

Thread::~Thread()
{
  if (started_ && !joined_) ::pthread_detach(pthreadId_);
}

void Thread::start()
{
  contract(!started_, "Thread::start() is called once");
  started_ = true;
  std::unique_ptr<ThreadStart> arg(new ThreadStart{func_, name_, &tid_, &latch_});
  const int error = ::pthread_create(&pthreadId_, nullptr, &runThread, arg.get());
  if (error != 0)
  {
    errno = error;
    LOG_SYSFATAL << "cannot start thread " << name_ << ": too many threads or too little memory";
  }
  arg.release();
  latch_.wait();
}

int Thread::join()
{
  contract(started_ && !joined_, "Thread::join() is called once, after start()");
  joined_ = true;
  return ::pthread_join(pthreadId_, nullptr);
}

// --- ThreadPool ---

ThreadPool::ThreadPool(const string& nameArg)
    : notEmpty_(mutex_), notFull_(mutex_), name_(nameArg), maxQueueSize_(0), running_(false)
{
}

ThreadPool::~ThreadPool()
{
  if (running_) stop();
}

void ThreadPool::start(int numThreads)
{
  contract(threads_.empty(), "ThreadPool::start() is called once");
  running_ = true;
  for (int i = 1; i <= numThreads; ++i)
  {
    threads_.emplace_back(new Thread([this] { work(); }, name_ + std::to_string(i)));
    threads_.back()->start();
  }
  if (numThreads == 0 && threadInitCallback_) threadInitCallback_();
}

void ThreadPool::stop()
{
  {
    MutexLockGuard lock(mutex_);
    running_ = false;
    notEmpty_.notifyAll();
    notFull_.notifyAll();
  }
  for (auto& thread : threads_) thread->join();
}

size_t ThreadPool::queueSize() const
{
  MutexLockGuard lock(mutex_);
  return queue_.size();
}

void ThreadPool::run(Task task)
{
  if (threads_.empty())
  {
    task();
    return;
  }
  MutexLockGuard lock(mutex_);
  while (isFull() && running_) notFull_.wait();
  if (!running_) return;
  queue_.push_back(std::move(task));
  notEmpty_.notify();
}

void ThreadPool::work()
{
  if (threadInitCallback_) threadInitCallback_();
  while (Task task = take()) task();
}

// An empty task when the pool has stopped.
ThreadPool::Task ThreadPool::take()
{
  MutexLockGuard lock(mutex_);
  while (queue_.empty() && running_) notEmpty_.wait();
  if (!running_) return Task();
  Task task = std::move(queue_.front());
  queue_.pop_front();
  if (maxQueueSize_ > 0) notFull_.notify();
  return task;
}

bool ThreadPool::isFull() const
{
  return maxQueueSize_ > 0 && queue_.size() >= maxQueueSize_;
}

}  // namespace muduo
