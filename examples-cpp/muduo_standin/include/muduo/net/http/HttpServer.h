// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_HTTP_HTTPSERVER_H
#define MUDUO_STANDIN_NET_HTTP_HTTPSERVER_H

#include "muduo/net/TcpServer.h"

namespace muduo
{
namespace net
{

class HttpRequest;
class HttpResponse;

// Muduo's small HTTP server: answers heads in a callback, one request a read. It keeps an HttpContext in the
// connection's context.
class HttpServer : noncopyable
{
 public:
  typedef std::function<void(const HttpRequest&, HttpResponse*)> HttpCallback;

  HttpServer(EventLoop* loop, const InetAddress& listenAddr, const string& name,
             TcpServer::Option option = TcpServer::kNoReusePort);

  EventLoop* getLoop() const { return server_.getLoop(); }
  void setHttpCallback(const HttpCallback& cb) { httpCallback_ = cb; }
  void setThreadNum(int numThreads) { server_.setThreadNum(numThreads); }
  void start();

 private:
  void onConnection(const TcpConnectionPtr& conn);
  void onMessage(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime);
  void onRequest(const TcpConnectionPtr& conn, const HttpRequest& request);

  TcpServer server_;
  HttpCallback httpCallback_;
};

}  // namespace net
}  // namespace muduo

#endif
