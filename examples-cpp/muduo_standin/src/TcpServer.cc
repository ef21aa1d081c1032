// Part of the Muduo stand-in: a listening server and its connections.
#include "muduo/net/TcpServer.h"

#include "Acceptor.h"
#include "contract.h"
#include "muduo/net/EventLoop.h"
#include "muduo/net/EventLoopThreadPool.h"

#include <sys/socket.h>

namespace muduo
{
namespace net
{
namespace
{

InetAddress localAddressOf(int sockfd)
{
  struct sockaddr_in6 local;
  memZero(&local, sizeof local);
  socklen_t length = sizeof local;
  if (::getsockname(sockfd, reinterpret_cast<struct sockaddr*>(&local), &length) != 0) LOG_SYSERR << "getsockname";
  return InetAddress(local);
}

}  // namespace

TcpServer::TcpServer(EventLoop* loop, const InetAddress& listenAddr, const string& nameArg, Option option)
    : loop_(CHECK_NOTNULL(loop)),
      ipPort_(listenAddr.toIpPort()),
      name_(nameArg),
      acceptor_(new Acceptor(loop, listenAddr, option == kReusePort)),
      threadPool_(new EventLoopThreadPool(loop, name_)),
      connectionCallback_(defaultConnectionCallback),
      messageCallback_(defaultMessageCallback),
      nextConnId_(1),
      alive_(std::make_shared<bool>(true))
{
  acceptor_->setNewConnectionCallback(std::bind(&TcpServer::newConnection, this, _1, _2));
}

TcpServer::~TcpServer()
{
  loop_->assertInLoopThread();
  alive_.reset();
  for (auto& one : connections_)
  {
    const TcpConnectionPtr conn(std::move(one.second));
    conn->getLoop()->runInLoop(std::bind(&TcpConnection::connectDestroyed, conn));
  }
}

void TcpServer::setThreadNum(int numThreads)
{
  contract(numThreads >= 0, "TcpServer::setThreadNum() takes 0 or more");
  threadPool_->setThreadNum(numThreads);
}

void TcpServer::start()
{
  if (started_.getAndSet(1) != 0) return;
  threadPool_->start(threadInitCallback_);
  loop_->runInLoop(std::bind(&Acceptor::listen, acceptor_.get()));
}

void TcpServer::newConnection(int sockfd, const InetAddress& peerAddr)
{
  EventLoop* ioLoop = threadPool_->getNextLoop();
  const string connName = name_ + "-" + ipPort_ + "#" + std::to_string(nextConnId_++);
  LOG_INFO << "TcpServer [" << name_ << "] new connection [" << connName << "] from " << peerAddr.toIpPort();

  const TcpConnectionPtr conn =
      std::make_shared<TcpConnection>(ioLoop, connName, sockfd, localAddressOf(sockfd), peerAddr);
  connections_[connName] = conn;
  conn->setConnectionCallback(connectionCallback_);
  conn->setMessageCallback(messageCallback_);
  conn->setWriteCompleteCallback(writeCompleteCallback_);

  EventLoop* const baseLoop = loop_;
  const std::weak_ptr<bool> alive(alive_);
  conn->setCloseCallback([this, baseLoop, alive](const TcpConnectionPtr& closed) {
    baseLoop->runInLoop([this, alive, closed] {
      if (alive.lock()) removeConnection(closed);
    });
  });
  ioLoop->runInLoop(std::bind(&TcpConnection::connectEstablished, conn));
}

void TcpServer::removeConnection(const TcpConnectionPtr& conn)
{
  LOG_INFO << "TcpServer [" << name_ << "] connection [" << conn->name() << "] is gone";
  connections_.erase(conn->name());
  // Queued: this may be inside an event of the very channel that goes.
  conn->getLoop()->queueInLoop(std::bind(&TcpConnection::connectDestroyed, conn));
}

}  // namespace net
}  // namespace muduo
