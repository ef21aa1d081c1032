// TlsFilter: the server's side of TLS on one TcpConnection. Ciphertext comes from Muduo's buffer and plaintext goes to
// a buffer of the filter's; what is sent goes the other way. HttpServer::setTls does all of this; a server that owns
// its callbacks does it so:
//
//   void onConnection(const TcpConnectionPtr& conn) {
//     ws_.onConnection(conn);
//     if (!conn->connected()) return;
//     std::shared_ptr<wsmuduo::TlsFilter> tls = wsmuduo::TlsFilter::make(*tlsContext_, conn);
//     ws_.setSink(conn, tls->sink());
//     conn->setContext(tls);                        // or wherever its state of the connection is
//   }
//   void onMessage(const TcpConnectionPtr& conn, Buffer* ciphertext, Timestamp t) {
//     Buffer* buf = tls->decrypt(ciphertext);
//     while (buf->readableBytes() > 0) {            // several requests may have come at once
//       if (ws_.onMessage(conn, buf, t)) return;
//       ...                                         // parse one request; return when it is not complete
//       tls->send(answer.data(), answer.size());    // never conn->send()
//     }
//   }
//   tls->shutdown();                                // close_notify, before each conn->shutdown()
//
// In the connection's loop only, but for the destructor. It does not hold the connection.

#ifndef MUDUO_WS_TLSFILTER_H
#define MUDUO_WS_TLSFILTER_H

#include "muduo_ws/ConnectionFilter.h"
#include "muduo_ws/TlsContext.h"

#include <muduo/net/Buffer.h>
#include <muduo/net/TimerId.h>

#include <string>

struct ssl_st;  // SSL

namespace muduo {
namespace net {
class EventLoop;
}
}  // namespace muduo

namespace wsmuduo {

class TlsFilter : public ConnectionFilter, public std::enable_shared_from_this<TlsFilter> {
 public:
  /// When the connection comes up. Throws std::runtime_error when OpenSSL has no memory.
  static std::shared_ptr<TlsFilter> make(const TlsContext& context, const muduo::net::TcpConnectionPtr& conn);
  ~TlsFilter();

  /// After a failure, which the peer is told, nothing is added; the connection is closed. When the peer says that
  /// nothing more comes, the connection is closed too, two turns of the loop later: what was answered by then is sent.
  muduo::net::Buffer* decrypt(muduo::net::Buffer* in) override;

  /// One TcpConnection::send for up to 16 MiB. Before the handshake is complete the data waits for that. After
  /// shutdown(), or when the connection is closed, it is dropped, as TcpConnection::send does.
  void send(const char* data, size_t len) override;

  /// Sends close_notify, once.
  void shutdown() override;

  std::function<void(const char* data, size_t len)> sink() override;

  // ---- for logs; empty until the handshake is complete ----

  std::string protocol() const;  ///< "TLSv1.3"
  std::string cipher() const;    ///< "TLS_AES_256_GCM_SHA384"

 private:
  enum State {
    kHandshaking,
    kOpen,
    kShut,   // close_notify was sent; the peer may still send
    kFailed  // nothing goes either way
  };

  TlsFilter(const TlsContext& context, const muduo::net::TcpConnectionPtr& conn);
  void startHandshakeTimer(double seconds);
  void onHandshakeTimeout(double seconds);
  void onHandshakeComplete();
  void readPlaintext();
  void encrypt(const char* data, size_t len);
  void flush();
  void limitAnswers(size_t len);
  void onFailure(const char* what, int sslError);
  void onPeerEnd();
  void end();
  void closeWhenStalled();

  ssl_st* ssl_;
  const std::weak_ptr<muduo::net::TcpConnection> tcp_;
  muduo::net::EventLoop* const loop_;
  State state_;
  bool isEnding_;
  muduo::net::TimerId handshakeTimer_;
  std::string early_;        // sent before the handshake was complete
  size_t untakenAnswers_;    // bytes of TLS's own that were queued behind others since the peer last took all
  muduo::net::Buffer plain_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_TLSFILTER_H
