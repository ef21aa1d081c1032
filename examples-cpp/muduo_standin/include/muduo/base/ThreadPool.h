// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_THREADPOOL_H
#define MUDUO_STANDIN_BASE_THREADPOOL_H

#include "muduo/base/Condition.h"
#include "muduo/base/Mutex.h"
#include "muduo/base/Thread.h"
#include "muduo/base/Types.h"

#include <deque>
#include <vector>

namespace muduo
{

class ThreadPool : noncopyable
{
 public:
  typedef std::function<void()> Task;

  explicit ThreadPool(const string& nameArg = string("ThreadPool"));
  ~ThreadPool();

  // Both before start().
  void setMaxQueueSize(int maxSize) { maxQueueSize_ = static_cast<size_t>(maxSize); }
  void setThreadInitCallback(const Task& cb) { threadInitCallback_ = cb; }

  // With 0 threads, run() runs the task at once in the caller.
  void start(int numThreads);
  // Lets running tasks finish, drops those still queued.
  void stop();

  const string& name() const { return name_; }
  size_t queueSize() const;

  // Blocks while a bounded queue is full; after stop() the task is dropped.
  void run(Task f);

 private:
  void work();
  Task take();
  bool isFull() const;

  mutable MutexLock mutex_;
  Condition notEmpty_;
  Condition notFull_;
  string name_;
  Task threadInitCallback_;
  std::vector<std::unique_ptr<muduo::Thread>> threads_;
  std::deque<Task> queue_;
  size_t maxQueueSize_;
  bool running_;
};

}  // namespace muduo

#endif
