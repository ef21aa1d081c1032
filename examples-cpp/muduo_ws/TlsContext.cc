#include "muduo_ws/TlsContext.h"

#include "muduo_ws/TlsFilter.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <stdexcept>

namespace wsmuduo {

namespace {

const double kMaxTimeout = 3600;

std::string reasonOf(unsigned long error) {
  const char* const reason = ERR_reason_error_string(error);
  return reason == NULL ? "error " + std::to_string(error) : reason;
}

/// The first error of the last call, which is the cause of those behind it.
std::string firstReason() { return reasonOf(ERR_peek_error()); }

std::runtime_error bad(const char* what, const std::string& file, const std::string& why) {
  return std::runtime_error(std::string("TLS: the ") + what + " file \"" + file + "\" " + why);
}

/// OpenSSL's own words for a file that cannot be opened are the same as for one with nonsense in it.
void checkReadable(const char* what, const std::string& file) {
  FILE* const stream = fopen(file.c_str(), "r");
  const bool isRead = stream != NULL && (fgetc(stream) != EOF || !ferror(stream));
  const int error = errno;
  if (stream != NULL) fclose(stream);
  if (!isRead) throw bad(what, file, std::string("cannot be read: ") + strerror(error));
}

/// Instead of OpenSSL's, which asks at the terminal and waits.
int noPassphrase(char*, int, int, void* wasAsked) {
  *static_cast<bool*>(wasAsked) = true;
  return 0;
}

int selectProtocol(SSL*, const unsigned char** selected, unsigned char* selectedLen, const unsigned char* offered,
                   unsigned offeredLen, void*) {
  static const unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = NULL;
  const int result = SSL_select_next_proto(&found, selectedLen, kHttp11, sizeof kHttp11, offered, offeredLen);
  *selected = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol
}

void useFiles(SSL_CTX* ssl, const std::string& certificateFile, const std::string& keyFile) {
  checkReadable("certificate", certificateFile);
  checkReadable("key", keyFile);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(ssl, certificateFile.c_str()) != 1) {
    throw bad("certificate", certificateFile, "has no certificate in PEM that can be used: " + firstReason());
  }
  bool isEncrypted = false;
  SSL_CTX_set_default_passwd_cb(ssl, noPassphrase);
  SSL_CTX_set_default_passwd_cb_userdata(ssl, &isEncrypted);
  ERR_clear_error();
  const bool isKeyUsed = SSL_CTX_use_PrivateKey_file(ssl, keyFile.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
  if (isEncrypted) throw bad("key", keyFile, "is protected by a passphrase; give one that is not");
  const bool isMismatch = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509;
  if (!isKeyUsed && !isMismatch) throw bad("key", keyFile, "has no private key in PEM that can be used");
  if (!isKeyUsed || SSL_CTX_check_private_key(ssl) != 1) {
    throw bad("key", keyFile, "does not belong to the certificate in \"" + certificateFile + "\"");
  }
}

std::shared_ptr<SSL_CTX> load(const std::string& certificateFile, const std::string& keyFile) {
  const std::shared_ptr<SSL_CTX> owner(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX* const ssl = owner.get();
  if (ssl == NULL || SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {  // of TLS 1.2; those of 1.3 are all like this
    throw std::runtime_error("TLS: OpenSSL cannot be set up: " + firstReason());
  }
  SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);  // session tickets resume without memory here
  SSL_CTX_set_alpn_select_cb(ssl, selectProtocol, NULL);
  useFiles(ssl, certificateFile, keyFile);
  return owner;
}

}  // namespace

TlsContext::TlsContext(const std::string& certificateFile, const std::string& keyFile, const Options& options)
    : certificateFile_(certificateFile), keyFile_(keyFile), options_(options) {
  if (!(options.handshakeTimeoutSeconds > 0 && options.handshakeTimeoutSeconds <= kMaxTimeout)) {
    throw std::invalid_argument("TlsContext::Options::handshakeTimeoutSeconds must be more than 0 and at most 3600");
  }
  ssl_ = load(certificateFile_, keyFile_);
}

TlsContext::~TlsContext() {}

void TlsContext::reload() {
  std::lock_guard<std::mutex> order(reloading_);
  std::shared_ptr<SSL_CTX> ssl = load(certificateFile_, keyFile_);
  std::lock_guard<std::mutex> lock(mutex_);
  ssl_.swap(ssl);
}

std::shared_ptr<ConnectionFilter> TlsContext::makeFilter(const muduo::net::TcpConnectionPtr& conn) {
  return TlsFilter::make(*this, conn);
}

std::shared_ptr<SSL_CTX> TlsContext::current() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return ssl_;
}

}  // namespace wsmuduo
