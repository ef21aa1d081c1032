// Part of the Muduo stand-in: one connection.
//
// kConnecting -> kConnected -> kDisconnecting -> kDisconnected, where kDisconnecting may be left out. After
// kDisconnected the server queues connectDestroyed(), which takes the channel out of the loop.
#include "muduo/net/TcpConnection.h"

#include "contract.h"
#include "muduo/base/WeakCallback.h"
#include "muduo/net/Channel.h"
#include "muduo/net/EventLoop.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

namespace muduo
{
namespace net
{

void defaultConnectionCallback(const TcpConnectionPtr& conn)
{
  LOG_TRACE << conn->peerAddress().toIpPort() << " -> " << conn->localAddress().toIpPort() << " is "
            << (conn->connected() ? "up" : "down");
}

void defaultMessageCallback(const TcpConnectionPtr&, Buffer* buffer, Timestamp)
{
  buffer->retrieveAll();
}

TcpConnection::TcpConnection(EventLoop* loop, const string& name, int sockfd, const InetAddress& localAddr,
                             const InetAddress& peerAddr)
    : loop_(CHECK_NOTNULL(loop)),
      name_(name),
      state_(kConnecting),
      reading_(true),
      sockfd_(sockfd),
      channel_(new Channel(loop, sockfd)),
      localAddr_(localAddr),
      peerAddr_(peerAddr),
      highWaterMark_(64 * 1024 * 1024)
{
  channel_->setReadCallback(std::bind(&TcpConnection::handleRead, this, _1));
  channel_->setWriteCallback(std::bind(&TcpConnection::handleWrite, this));
  channel_->setCloseCallback(std::bind(&TcpConnection::handleClose, this));
  channel_->setErrorCallback(std::bind(&TcpConnection::handleError, this));
  const int on = 1;
  ::setsockopt(sockfd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

TcpConnection::~TcpConnection()
{
  LOG_DEBUG << "connection " << name_ << " ends in state " << stateToString();
  // A loop that ends before it ran connectDestroyed() drops the connection as it is.
  if (channel_->event_)
  {
    channel_->disableAll();
    channel_->remove();
  }
  channel_.reset();
  ::close(sockfd_);
}

// --- up and down ---

void TcpConnection::connectEstablished()
{
  loop_->assertInLoopThread();
  contract(state_ == kConnecting, "TcpConnection::connectEstablished() is called once");
  state_ = kConnected;
  channel_->tie(shared_from_this());
  channel_->enableReading();
  connectionCallback_(shared_from_this());
}

void TcpConnection::connectDestroyed()
{
  loop_->assertInLoopThread();
  const StateE before = state_.exchange(kDisconnected);
  if (before != kDisconnected) channel_->disableAll();  // the server goes away first
  if (before == kConnected)
  {
    connectionCallback_(shared_from_this());
  }
  else if (before == kDisconnecting)
  {
    LOG_WARN << "connection " << name_ << " goes with its server while it is closing: there is no callback for that, "
             << "and a debug build of Muduo stops here";
  }
  channel_->remove();
}

void TcpConnection::handleClose()
{
  loop_->assertInLoopThread();
  state_ = kDisconnected;
  channel_->disableAll();
  const TcpConnectionPtr self(shared_from_this());
  connectionCallback_(self);
  closeCallback_(self);
}

void TcpConnection::shutdown()
{
  if (state_ != kConnected) return;
  state_ = kDisconnecting;
  loop_->runInLoop(std::bind(&TcpConnection::shutdownInLoop, shared_from_this()));
}

void TcpConnection::shutdownInLoop()
{
  if (channel_->isWriting()) return;  // handleWrite() comes back here when all is written
  if (::shutdown(sockfd_, SHUT_WR) != 0) LOG_SYSERR << "cannot shut down connection " << name_;
}

void TcpConnection::forceClose()
{
  if (state_ != kConnected && state_ != kDisconnecting) return;
  state_ = kDisconnecting;
  loop_->queueInLoop(std::bind(&TcpConnection::forceCloseInLoop, shared_from_this()));
}

void TcpConnection::forceCloseWithDelay(double seconds)
{
  if (state_ != kConnected && state_ != kDisconnecting) return;
  state_ = kDisconnecting;
  loop_->runAfter(seconds, makeWeakCallback(shared_from_this(), &TcpConnection::forceClose));
}

void TcpConnection::forceCloseInLoop()
{
  if (state_ == kConnected || state_ == kDisconnecting) handleClose();
}

// --- in ---

void TcpConnection::handleRead(Timestamp receiveTime)
{
  int savedErrno = 0;
  const ssize_t n = inputBuffer_.readFd(sockfd_, &savedErrno);
  if (n > 0)
  {
    messageCallback_(shared_from_this(), &inputBuffer_, receiveTime);
  }
  else if (n == 0)
  {
    handleClose();
  }
  else
  {
    errno = savedErrno;
    LOG_SYSERR << "cannot read from connection " << name_;
    handleError();
  }
}

void TcpConnection::startRead()
{
  loop_->runInLoop(std::bind(&TcpConnection::startReadInLoop, shared_from_this()));
}

void TcpConnection::stopRead()
{
  loop_->runInLoop(std::bind(&TcpConnection::stopReadInLoop, shared_from_this()));
}

void TcpConnection::startReadInLoop()
{
  if (state_ == kDisconnected)
  {
    LOG_ERROR << "startRead() on connection " << name_ << ", which is down, is ignored; Muduo may report it down twice";
    return;
  }
  if (reading_ && channel_->isReading()) return;
  channel_->enableReading();
  reading_ = true;
}

void TcpConnection::stopReadInLoop()
{
  if (state_ == kDisconnected)
  {
    LOG_ERROR << "stopRead() on connection " << name_ << ", which is down, is ignored; Muduo may report it down twice";
    return;
  }
  if (!reading_ && !channel_->isReading()) return;
  channel_->disableReading();
  reading_ = false;
}

// --- out ---

void TcpConnection::send(const void* message, int len)
{
  send(StringPiece(static_cast<const char*>(message), len));
}

void TcpConnection::send(const StringPiece& message)
{
  if (state_ != kConnected) return;
  if (loop_->isInLoopThread())
  {
    sendInLoop(message.data(), static_cast<size_t>(message.size()));
    return;
  }
  const TcpConnectionPtr self(shared_from_this());
  const string copy(message.as_string());
  loop_->runInLoop([self, copy] { self->sendInLoop(copy.data(), copy.size()); });
}

void TcpConnection::send(Buffer* message)
{
  if (state_ != kConnected) return;
  if (loop_->isInLoopThread())
  {
    sendInLoop(message->peek(), message->readableBytes());
    message->retrieveAll();
    return;
  }
  const TcpConnectionPtr self(shared_from_this());
  const string copy(message->retrieveAllAsString());
  loop_->runInLoop([self, copy] { self->sendInLoop(copy.data(), copy.size()); });
}

void TcpConnection::sendInLoop(const char* data, size_t len)
{
  if (state_ == kDisconnected)
  {
    LOG_WARN << "connection " << name_ << " went down before a message from another thread could be sent";
    return;
  }
  size_t written = 0;
  if (!channel_->isWriting() && outputBuffer_.readableBytes() == 0)  // nothing waits: no detour through the buffer
  {
    const ssize_t n = ::write(sockfd_, data, len);
    if (n >= 0)
    {
      written = static_cast<size_t>(n);
      if (written == len) queueWriteComplete();
    }
    else if (errno != EWOULDBLOCK)
    {
      const int error = errno;
      LOG_SYSERR << "cannot write to connection " << name_;
      if (error == EPIPE || error == ECONNRESET) return;  // the read side will find the end
    }
  }
  if (written < len) queueOutput(data + written, len - written);
}

void TcpConnection::queueOutput(const char* data, size_t len)
{
  const size_t before = outputBuffer_.readableBytes();
  const size_t after = before + len;
  if (highWaterMarkCallback_ && before < highWaterMark_ && after >= highWaterMark_)
  {
    loop_->queueInLoop(std::bind(highWaterMarkCallback_, shared_from_this(), after));
  }
  outputBuffer_.append(data, len);
  if (!channel_->isWriting()) channel_->enableWriting();
}

void TcpConnection::queueWriteComplete()
{
  if (writeCompleteCallback_) loop_->queueInLoop(std::bind(writeCompleteCallback_, shared_from_this()));
}

void TcpConnection::handleWrite()
{
  if (!channel_->isWriting()) return;  // the read part of this very event closed the connection
  const ssize_t n = ::write(sockfd_, outputBuffer_.peek(), outputBuffer_.readableBytes());
  if (n <= 0)
  {
    LOG_SYSERR << "cannot write to connection " << name_;
    return;
  }
  outputBuffer_.retrieve(static_cast<size_t>(n));
  if (outputBuffer_.readableBytes() > 0) return;
  channel_->disableWriting();
  queueWriteComplete();
  if (state_ == kDisconnecting) shutdownInLoop();
}

// --- the socket ---

void TcpConnection::handleError()
{
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(sockfd_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  LOG_ERROR << "connection " << name_ << ": " << strerror_tl(error) << " (SO_ERROR=" << error << ")";
}

void TcpConnection::setTcpNoDelay(bool on)
{
  const int value = on ? 1 : 0;
  ::setsockopt(sockfd_, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
}

bool TcpConnection::getTcpInfo(struct tcp_info* info) const
{
  socklen_t length = sizeof *info;
  memZero(info, sizeof *info);
  return ::getsockopt(sockfd_, IPPROTO_TCP, TCP_INFO, info, &length) == 0;
}

string TcpConnection::getTcpInfoString() const
{
  struct tcp_info info;
  if (!getTcpInfo(&info)) return string();
  char text[512];
  ::snprintf(text, sizeof text,
             "unrecovered=%u rto=%u ato=%u snd_mss=%u rcv_mss=%u lost=%u retrans=%u rtt=%u rttvar=%u "
             "sshthresh=%u cwnd=%u total_retrans=%u",
             static_cast<unsigned>(info.tcpi_retransmits), info.tcpi_rto, info.tcpi_ato, info.tcpi_snd_mss,
             info.tcpi_rcv_mss, info.tcpi_lost, info.tcpi_retrans, info.tcpi_rtt, info.tcpi_rttvar,
             info.tcpi_snd_ssthresh, info.tcpi_snd_cwnd, info.tcpi_total_retrans);
  return text;
}

const char* TcpConnection::stateToString() const
{
  switch (state_.load())
  {
    case kDisconnected:
      return "kDisconnected";
    case kConnecting:
      return "kConnecting";
    case kConnected:
      return "kConnected";
    case kDisconnecting:
      return "kDisconnecting";
  }
  return "unknown";
}

}  // namespace net
}  // namespace muduo
