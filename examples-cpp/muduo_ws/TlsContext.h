// TlsContext: the certificate and the settings of a server that speaks TLS; one for all its connections.
//
// TLS 1.2 and 1.3. Ciphers with forward secrecy and authenticated encryption, no compression, no renegotiation. A
// client that offers application protocols (ALPN) must offer "http/1.1", which is what WebSocket starts as too.
//
// Needs OpenSSL 3: link libssl and libcrypto. This header does not need OpenSSL's.

#ifndef MUDUO_WS_TLSCONTEXT_H
#define MUDUO_WS_TLSCONTEXT_H

#include "muduo_ws/ConnectionFilter.h"

#include <mutex>
#include <string>

struct ssl_ctx_st;  // SSL_CTX

namespace wsmuduo {

class TlsContext : public ConnectionFilterFactory {
 public:
  struct Options {
    Options() : handshakeTimeoutSeconds(10) {}
    double handshakeTimeoutSeconds;  ///< from the connection on; default 10, more than 0
  };

  /// Both files are PEM: the server's certificate with those between it and the root behind it, and its key without a
  /// passphrase. Throws std::runtime_error, which says which file is wrong and why, or std::invalid_argument, which
  /// names the option that is out of range.
  TlsContext(const std::string& certificateFile, const std::string& keyFile, const Options& options = Options());
  ~TlsContext();

  /// Reads both files again, for connections that come up from now on; others keep what they have. From any thread.
  /// Throws std::runtime_error and leaves everything as it was when they cannot be used.
  void reload();

  /// A TlsFilter. HttpServer::setTls does this.
  std::shared_ptr<ConnectionFilter> makeFilter(const muduo::net::TcpConnectionPtr& conn) override;

  const Options& options() const { return options_; }

 private:
  friend class TlsFilter;
  std::shared_ptr<ssl_ctx_st> current() const;

  const std::string certificateFile_;
  const std::string keyFile_;
  const Options options_;
  std::mutex reloading_;  // the one that reads last must be the one that is kept
  mutable std::mutex mutex_;  // guards ssl_
  std::shared_ptr<ssl_ctx_st> ssl_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_TLSCONTEXT_H
