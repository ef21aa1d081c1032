// Part of the Muduo stand-in: accepting.
#include "Acceptor.h"

#include "muduo/base/Logging.h"
#include "muduo/net/EventLoop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace muduo
{
namespace net
{
namespace
{

int openSpareFd()
{
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void setFlag(int sockfd, int option, bool on, const char* name)
{
  const int value = on ? 1 : 0;
  if (::setsockopt(sockfd, SOL_SOCKET, option, &value, sizeof value) != 0) LOG_SYSERR << "cannot set " << name;
}

}  // namespace

Acceptor::Acceptor(EventLoop* loop, const InetAddress& listenAddr, bool reusePort)
    : loop_(loop),
      sockfd_(::socket(listenAddr.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)),
      channel_(loop, sockfd_),
      listening_(false),
      spareFd_(openSpareFd())
{
  if (sockfd_ < 0) LOG_SYSFATAL << "cannot make a socket to listen on";
  setFlag(sockfd_, SO_REUSEADDR, true, "SO_REUSEADDR");
  setFlag(sockfd_, SO_REUSEPORT, reusePort, "SO_REUSEPORT");
  const socklen_t length = listenAddr.family() == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  if (::bind(sockfd_, listenAddr.getSockAddr(), length) != 0)
  {
    LOG_SYSFATAL << "cannot bind " << listenAddr.toIpPort() << ": choose another address or end who uses it";
  }
  channel_.setReadCallback(std::bind(&Acceptor::handleRead, this));
}

Acceptor::~Acceptor()
{
  if (listening_)
  {
    channel_.disableAll();
    channel_.remove();
  }
  ::close(spareFd_);
  ::close(sockfd_);
}

void Acceptor::listen()
{
  loop_->assertInLoopThread();
  listening_ = true;
  if (::listen(sockfd_, SOMAXCONN) != 0) LOG_SYSFATAL << "cannot listen";
  channel_.enableReading();
}

// One connection a round, so that a rush of connects does not starve the others.
void Acceptor::handleRead()
{
  struct sockaddr_in6 peer;
  memZero(&peer, sizeof peer);
  socklen_t length = sizeof peer;
  const int sockfd =
      ::accept4(sockfd_, reinterpret_cast<struct sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (sockfd >= 0)
  {
    newConnectionCallback_(sockfd, InetAddress(peer));
    return;
  }
  const int error = errno;
  LOG_SYSERR << "cannot accept a connection";
  if (error == EMFILE) refuseOne();
}

// Otherwise the connection would stay in the backlog and the loop would spin on it.
void Acceptor::refuseOne()
{
  ::close(spareFd_);
  const int sockfd = ::accept(sockfd_, nullptr, nullptr);
  if (sockfd >= 0) ::close(sockfd);
  spareFd_ = openSpareFd();
}

}  // namespace net
}  // namespace muduo
