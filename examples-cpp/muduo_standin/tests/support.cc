#include "support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

using muduo::net::EventLoop;
using muduo::net::InetAddress;
using muduo::net::TcpServer;

namespace support
{

bool eventually(const std::function<bool()>& condition, double limit)
{
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(limit);
  while (!condition())
  {
    if (std::chrono::steady_clock::now() > end) return false;
    sleepMillis(2);
  }
  return true;
}

void sleepMillis(int millis)
{
  std::this_thread::sleep_for(std::chrono::milliseconds(millis));
}

size_t scaled(size_t bytes)
{
  const char* scale = ::getenv("MUDUO_TEST_SCALE");
  return scale ? bytes / static_cast<size_t>(::atoi(scale)) : bytes;
}

std::string pattern(size_t bytes)
{
  std::string data(bytes, '\0');
  unsigned state = 12345;
  for (char& c : data)
  {
    state = state * 1103515245u + 12345u;
    c = static_cast<char>(state >> 16);
  }
  return data;
}

size_t openDescriptors()
{
  size_t n = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir)) ++n;
  ::closedir(dir);
  return n;
}

// Muduo cannot say which port it got for port 0, so a port is chosen here, on an address that only this process uses.
InetAddress freeAddress()
{
  const unsigned pid = static_cast<unsigned>(::getpid());
  const std::string ip = "127." + std::to_string(64 + (pid >> 16) % 128) + "." + std::to_string((pid >> 8) & 255) +
                         "." + std::to_string(1 + (pid & 255) % 254);
  InetAddress wanted(ip, 0);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in bound;
  socklen_t length = sizeof bound;
  if (::bind(fd, wanted.getSockAddr(), sizeof bound) != 0 ||
      ::getsockname(fd, reinterpret_cast<struct sockaddr*>(&bound), &length) != 0)
  {
    ::perror("no free port");
    ::abort();
  }
  ::close(fd);
  return InetAddress(bound);
}

void runIn(EventLoop* loop, const std::function<void()>& function)
{
  muduo::CountDownLatch done(1);
  loop->runInLoop([&] {
    function();
    done.countDown();
  });
  done.wait();
}

void Journal::add(const std::string& entry)
{
  std::lock_guard<std::mutex> lock(mutex_);
  entries_.push_back(entry);
}

std::vector<std::string> Journal::entries() const
{
  std::lock_guard<std::mutex> lock(mutex_);
  return entries_;
}

size_t Journal::count(const std::string& entry) const
{
  size_t n = 0;
  for (const std::string& one : entries()) n += one == entry ? 1 : 0;
  return n;
}

std::string Journal::joined() const
{
  std::string all;
  for (const std::string& one : entries()) all += (all.empty() ? "" : " ") + one;
  return all;
}

Server::Server(const std::function<void(TcpServer*)>& setUp) : address_(freeAddress())
{
  run([&] {
    server_.reset(new TcpServer(loop(), address_, "test"));
    if (setUp) setUp(server_.get());
    server_->start();
  });
}

void Server::stop()
{
  run([&] { server_.reset(); });
  run([] {});  // what the destructor queued has run
}

Client::Client(const InetAddress& server, int receiveBuffer) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
  // Before connect(), so that the window is small from the start.
  if (receiveBuffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
  const struct timeval limit = {static_cast<time_t>(kLimit), 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd_, server.getSockAddr(), sizeof(struct sockaddr_in)) != 0)
  {
    ADD_FAILURE() << "connect to " << server.toIpPort() << ": " << ::strerror(errno);
  }
}

bool Client::send(const std::string& data)
{
  size_t sent = 0;
  while (sent < data.size())
  {
    const ssize_t n = ::send(fd_, data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

std::string Client::receive(size_t n)
{
  std::string data(n, '\0');
  size_t got = 0;
  while (got < n)
  {
    const ssize_t r = ::recv(fd_, &data[got], n - got, 0);
    if (r <= 0) break;
    got += static_cast<size_t>(r);
  }
  data.resize(got);
  return data;
}

std::string Client::receiveToEnd(bool* reset)
{
  std::string data;
  std::vector<char> piece(65536);
  if (reset) *reset = false;
  for (;;)
  {
    const ssize_t r = ::recv(fd_, piece.data(), piece.size(), 0);
    if (r > 0)
    {
      data.append(piece.data(), static_cast<size_t>(r));
      continue;
    }
    if (r < 0 && errno == ECONNRESET)
    {
      if (reset) *reset = true;
    }
    else if (r < 0)
    {
      ADD_FAILURE() << "waiting for the end: " << ::strerror(errno);
    }
    return data;
  }
}

std::string Client::receiveUntil(const std::string& delimiter)
{
  std::string data;
  while (data.size() < delimiter.size() ||
         data.compare(data.size() - delimiter.size(), delimiter.size(), delimiter) != 0)
  {
    const std::string one = receive(1);
    if (one.empty()) break;
    data += one;
  }
  return data;
}

bool Client::staysSilent(int millis)
{
  struct pollfd p = {fd_, POLLIN, 0};
  return ::poll(&p, 1, millis) == 0;
}

void Client::shutdownWrite()
{
  ::shutdown(fd_, SHUT_WR);
}

void Client::reset()
{
  const struct linger hard = {1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

void Client::close()
{
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace support
