// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_TCPSERVER_H
#define MUDUO_STANDIN_NET_TCPSERVER_H

#include "muduo/base/Atomic.h"
#include "muduo/base/Types.h"
#include "muduo/net/TcpConnection.h"

#include <map>

namespace muduo
{
namespace net
{

class Acceptor;
class EventLoop;
class EventLoopThreadPool;

// Accepts in the loop it is given; connections live in that loop, or in turn in the loops of its threads.
class TcpServer : noncopyable
{
 public:
  typedef std::function<void(EventLoop*)> ThreadInitCallback;

  enum Option
  {
    kNoReusePort,
    kReusePort
  };

  // Binds at once, and stops the process when the address is taken. ipPort() is the address as given: port 0 stays 0.
  TcpServer(EventLoop* loop, const InetAddress& listenAddr, const string& nameArg, Option option = kNoReusePort);
  // In the loop's thread. Open connections go down.
  ~TcpServer();

  const string& ipPort() const { return ipPort_; }
  const string& name() const { return name_; }
  EventLoop* getLoop() const { return loop_; }

  // Before start(): 0 handles connections in the accepting loop, which is the default.
  void setThreadNum(int numThreads);
  void setThreadInitCallback(const ThreadInitCallback& cb) { threadInitCallback_ = cb; }
  std::shared_ptr<EventLoopThreadPool> threadPool() { return threadPool_; }

  // Starts the threads and listens. Further calls do nothing.
  void start();

  // For connections accepted from now on. The connection callback runs on up and on down.
  void setConnectionCallback(const ConnectionCallback& cb) { connectionCallback_ = cb; }
  void setMessageCallback(const MessageCallback& cb) { messageCallback_ = cb; }
  void setWriteCompleteCallback(const WriteCompleteCallback& cb) { writeCompleteCallback_ = cb; }

 private:
  void newConnection(int sockfd, const InetAddress& peerAddr);
  void removeConnection(const TcpConnectionPtr& conn);

  EventLoop* loop_;
  const string ipPort_;
  const string name_;
  std::unique_ptr<Acceptor> acceptor_;
  std::shared_ptr<EventLoopThreadPool> threadPool_;
  ConnectionCallback connectionCallback_;
  MessageCallback messageCallback_;
  WriteCompleteCallback writeCompleteCallback_;
  ThreadInitCallback threadInitCallback_;
  AtomicInt32 started_;
  int nextConnId_;
  std::map<string, TcpConnectionPtr> connections_;
  // Closing connections in other threads look at this, in loop_, before they touch the server.
  std::shared_ptr<bool> alive_;
};

}  // namespace net
}  // namespace muduo

#endif
