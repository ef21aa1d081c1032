// Part of the Muduo stand-in. Internal: a listening socket.
#ifndef MUDUO_STANDIN_ACCEPTOR_H
#define MUDUO_STANDIN_ACCEPTOR_H

#include "muduo/base/noncopyable.h"
#include "muduo/net/Channel.h"
#include "muduo/net/InetAddress.h"

#include <functional>

namespace muduo
{
namespace net
{

class EventLoop;

class Acceptor : noncopyable
{
 public:
  // The callback owns the descriptor.
  typedef std::function<void(int sockfd, const InetAddress& peer)> NewConnectionCallback;

  // Binds, or stops the process with the reason.
  Acceptor(EventLoop* loop, const InetAddress& listenAddr, bool reusePort);
  ~Acceptor();

  void setNewConnectionCallback(const NewConnectionCallback& cb) { newConnectionCallback_ = cb; }
  void listen();

 private:
  void handleRead();
  void refuseOne();

  EventLoop* loop_;
  const int sockfd_;
  Channel channel_;
  bool listening_;
  int spareFd_;  // given up for a moment to accept and close a connection when descriptors run out
  NewConnectionCallback newConnectionCallback_;
};

}  // namespace net
}  // namespace muduo

#endif
