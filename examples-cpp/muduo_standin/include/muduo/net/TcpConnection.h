// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_TCPCONNECTION_H
#define MUDUO_STANDIN_NET_TCPCONNECTION_H

#include "muduo/base/StringPiece.h"
#include "muduo/base/Types.h"
#include "muduo/base/noncopyable.h"
#include "muduo/net/Buffer.h"
#include "muduo/net/Callbacks.h"
#include "muduo/net/InetAddress.h"

#include <atomic>
#include <memory>

#include <boost/any.hpp>

struct tcp_info;

namespace muduo
{
namespace net
{

class Channel;
class EventLoop;

// One accepted connection, in one loop. The socket is closed when the last TcpConnectionPtr goes.
class TcpConnection : noncopyable, public std::enable_shared_from_this<TcpConnection>
{
 public:
  // For TcpServer; takes over the socket.
  TcpConnection(EventLoop* loop, const string& name, int sockfd, const InetAddress& localAddr,
                const InetAddress& peerAddr);
  ~TcpConnection();

  EventLoop* getLoop() const { return loop_; }
  const string& name() const { return name_; }
  const InetAddress& localAddress() const { return localAddr_; }
  const InetAddress& peerAddress() const { return peerAddr_; }
  bool connected() const { return state_ == kConnected; }
  bool disconnected() const { return state_ == kDisconnected; }
  bool getTcpInfo(struct tcp_info* info) const;
  string getTcpInfoString() const;

  // From any thread. Written at once when nothing waits, queued otherwise. Dropped in silence once shutdown(),
  // forceClose() or forceCloseWithDelay() was called, or the connection is down.
  void send(const void* message, int len);
  void send(const StringPiece& message);
  void send(Buffer* message);  // empties the buffer, unless the message is dropped

  // Closes our side when everything queued is written. The connection goes down when the peer closes its side.
  void shutdown();
  // Down after the current callbacks; what is queued is dropped.
  void forceClose();
  // The same after some seconds, if the connection is still there. send() stops working at once.
  void forceCloseWithDelay(double seconds);

  void setTcpNoDelay(bool on);

  // While stopped, the end of the connection goes unnoticed too, unless output waits.
  void startRead();
  void stopRead();
  bool isReading() const { return reading_; }

  void setContext(const boost::any& context) { context_ = context; }
  const boost::any& getContext() const { return context_; }
  boost::any* getMutableContext() { return &context_; }

  // In the loop's thread, and not while the very callback runs.
  void setConnectionCallback(const ConnectionCallback& cb) { connectionCallback_ = cb; }
  void setMessageCallback(const MessageCallback& cb) { messageCallback_ = cb; }
  // Queued when everything that was sent has reached the kernel.
  void setWriteCompleteCallback(const WriteCompleteCallback& cb) { writeCompleteCallback_ = cb; }
  // Queued when the waiting output rises from below the mark to the mark or above.
  void setHighWaterMarkCallback(const HighWaterMarkCallback& cb, size_t highWaterMark)
  {
    highWaterMarkCallback_ = cb;
    highWaterMark_ = highWaterMark;
  }

  // Bytes put into the output buffer directly are not sent.
  Buffer* inputBuffer() { return &inputBuffer_; }
  Buffer* outputBuffer() { return &outputBuffer_; }

  // For TcpServer.
  void setCloseCallback(const CloseCallback& cb) { closeCallback_ = cb; }
  void connectEstablished();
  void connectDestroyed();

 private:
  enum StateE
  {
    kDisconnected,
    kConnecting,
    kConnected,
    kDisconnecting
  };

  void handleRead(Timestamp receiveTime);
  void handleWrite();
  void handleClose();
  void handleError();
  void sendInLoop(const char* data, size_t len);
  void queueOutput(const char* data, size_t len);
  void queueWriteComplete();
  void shutdownInLoop();
  void forceCloseInLoop();
  void startReadInLoop();
  void stopReadInLoop();
  const char* stateToString() const;

  EventLoop* loop_;
  const string name_;
  std::atomic<StateE> state_;
  std::atomic<bool> reading_;
  const int sockfd_;
  std::unique_ptr<Channel> channel_;
  const InetAddress localAddr_;
  const InetAddress peerAddr_;
  ConnectionCallback connectionCallback_;
  MessageCallback messageCallback_;
  WriteCompleteCallback writeCompleteCallback_;
  HighWaterMarkCallback highWaterMarkCallback_;
  CloseCallback closeCallback_;
  size_t highWaterMark_;
  Buffer inputBuffer_;
  Buffer outputBuffer_;
  boost::any context_;
};

typedef std::shared_ptr<TcpConnection> TcpConnectionPtr;

}  // namespace net
}  // namespace muduo

#endif
