// ConnectionFilter: what stands between a TCP connection and the bytes that HttpServer and WebSocketServer see.
// TlsFilter is one. HttpServer knows only this interface, so that a program without TLS needs no OpenSSL: leave Tls*.cc
// out.

#ifndef MUDUO_WS_CONNECTIONFILTER_H
#define MUDUO_WS_CONNECTIONFILTER_H

#include <muduo/base/noncopyable.h>
#include <muduo/net/Callbacks.h>

#include <stddef.h>

#include <functional>
#include <memory>

namespace wsmuduo {

/// Of one connection, used in its loop.
class ConnectionFilter : muduo::noncopyable {
 public:
  virtual ~ConnectionFilter() {}

  /// Takes all bytes of `in`, which came from the peer. Returns the buffer with what they carried, the same one each
  /// time: what is left in it is still there at the next call.
  virtual muduo::net::Buffer* decrypt(muduo::net::Buffer* in) = 0;

  /// Bytes for the peer.
  virtual void send(const char* data, size_t len) = 0;

  /// Tells the peer that nothing more comes; to be followed by TcpConnection::shutdown.
  virtual void shutdown() = 0;

  /// The two above as a WebSocketServer::Sink.
  virtual std::function<void(const char* data, size_t len)> sink() = 0;
};

/// Makes the filter of each connection that comes up, in the connection's loop; several loops do so at once.
class ConnectionFilterFactory : muduo::noncopyable {
 public:
  virtual ~ConnectionFilterFactory() {}
  virtual std::shared_ptr<ConnectionFilter> makeFilter(const muduo::net::TcpConnectionPtr& conn) = 0;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_CONNECTIONFILTER_H
