// What the behaviour tests share: a server in its own thread, a blocking client, and waiting.
//
// Nothing here measures speed. A wait ends as soon as what it waits for happens; the limit only turns a hang into a
// failure. Each process has a loopback address of its own, so that suites can run side by side.
#ifndef MUDUO_STANDIN_TESTS_SUPPORT_H
#define MUDUO_STANDIN_TESTS_SUPPORT_H

#include "muduo/base/CountDownLatch.h"
#include "muduo/base/Logging.h"
#include "muduo/net/EventLoop.h"
#include "muduo/net/EventLoopThread.h"
#include "muduo/net/InetAddress.h"
#include "muduo/net/TcpServer.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace support
{

// The limit of every wait, in seconds. Generous: valgrind is slow.
const double kLimit = 60.0;

// Polls until the condition holds; false at the limit.
bool eventually(const std::function<bool()>& condition, double limit = kLimit);
void sleepMillis(int millis);

// Sizes of bulk data shrink by the environment's MUDUO_TEST_SCALE.
size_t scaled(size_t bytes);
// A byte pattern in which any lost, doubled or swapped piece shows.
std::string pattern(size_t bytes);

size_t openDescriptors();

muduo::net::InetAddress freeAddress();

// Runs the function in the loop's thread and waits for it.
void runIn(muduo::net::EventLoop* loop, const std::function<void()>& function);

// Keeps a log of what happened, from any thread.
class Journal
{
 public:
  void add(const std::string& entry);
  std::vector<std::string> entries() const;
  size_t count(const std::string& entry) const;
  bool has(const std::string& entry) const { return count(entry) > 0; }
  std::string joined() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> entries_;
};

// A loop in a thread, for tests that need one and stay out of it.
class LoopThread
{
 public:
  LoopThread() : loop_(thread_.startLoop()) { run([] {}); }
  muduo::net::EventLoop* loop() { return loop_; }
  void run(const std::function<void()>& function) { runIn(loop_, function); }

 private:
  muduo::net::EventLoopThread thread_;
  muduo::net::EventLoop* loop_;
};

// A TcpServer in a LoopThread, made, started and destroyed there.
class Server
{
 public:
  explicit Server(const std::function<void(muduo::net::TcpServer*)>& setUp = nullptr);
  ~Server() { stop(); }

  void stop();

  muduo::net::TcpServer& tcp() { return *server_; }
  muduo::net::EventLoop* loop() { return thread_.loop(); }
  const muduo::net::InetAddress& address() const { return address_; }
  void run(const std::function<void()>& function) { thread_.run(function); }

 private:
  muduo::net::InetAddress address_;
  LoopThread thread_;
  std::unique_ptr<muduo::net::TcpServer> server_;
};

// A blocking client. Reads give up at the limit.
class Client
{
 public:
  explicit Client(const muduo::net::InetAddress& server, int receiveBuffer = 0);
  ~Client() { close(); }

  bool send(const std::string& data);
  // Exactly n bytes, or what came before the end or the limit.
  std::string receive(size_t n);
  // Everything up to the end. `reset` tells a reset from an orderly end.
  std::string receiveToEnd(bool* reset = nullptr);
  // Up to and with the delimiter.
  std::string receiveUntil(const std::string& delimiter);
  // True when nothing, not even the end, arrives within the time.
  bool staysSilent(int millis);
  void shutdownWrite();
  // Closes with a reset instead of an orderly end.
  void reset();
  void close();

 private:
  int fd_;
};

}  // namespace support

#endif
