#include "muduo_ws/TlsFilter.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/TcpConnection.h>

#include <openssl/bio.h>
#include <openssl/buffer.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <stdexcept>

namespace wsmuduo {

using muduo::net::Buffer;
using muduo::net::TcpConnectionPtr;

namespace {

const size_t kRecord = 16 * 1024;              // plaintext of one record, at most (RFC 8446, 5.1)
const size_t kMaxWrite = 16 * 1024 * 1024;     // plaintext that is encrypted at once: TcpConnection::send takes an int
const size_t kKeep = 4 * 1024;                 // memory that an idle BIO may keep
const size_t kMaxUntakenAnswers = 16 * 1024;   // hundreds of key updates
const double kLingerSeconds = 2;               // for the peer to read why, and to close
const double kStallSeconds = 30;               // for a peer that takes no byte of what waits before the end

const char kPlainHttp[] =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\nConnection: close\r\n\r\n"
    "This port speaks TLS: use https:// or wss:// .\r\n";

/// A memory BIO never gives memory back; one that has become large is exchanged when it is empty.
bool isWorthExchanging(BIO* bio) {
  BUF_MEM* memory = NULL;
  BIO_get_mem_ptr(bio, &memory);
  return memory != NULL && memory->max > kKeep && BIO_ctrl_pending(bio) == 0;
}

}  // namespace

std::shared_ptr<TlsFilter> TlsFilter::make(const TlsContext& context, const TcpConnectionPtr& conn) {
  const std::shared_ptr<TlsFilter> filter(new TlsFilter(context, conn));
  filter->startHandshakeTimer(context.options().handshakeTimeoutSeconds);
  return filter;
}

TlsFilter::TlsFilter(const TlsContext& context, const TcpConnectionPtr& conn)
    : ssl_(SSL_new(context.current().get())),  // which keeps that SSL_CTX, whatever is loaded later
      tcp_(conn),
      loop_(conn->getLoop()),
      state_(kHandshaking),
      isEnding_(false),
      untakenAnswers_(0) {
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  if (ssl_ == NULL || in == NULL || out == NULL) {
    BIO_free(in);
    BIO_free(out);
    SSL_free(ssl_);
    throw std::runtime_error("TLS: out of memory");
  }
  SSL_set_bio(ssl_, in, out);
  SSL_set_accept_state(ssl_);
}

TlsFilter::~TlsFilter() { SSL_free(ssl_); }

std::function<void(const char* data, size_t len)> TlsFilter::sink() {
  const std::shared_ptr<TlsFilter> self = shared_from_this();
  return [self](const char* data, size_t len) {
    if (data == NULL) {
      self->shutdown();
    } else {
      self->send(data, len);
    }
  };
}

std::string TlsFilter::protocol() const { return SSL_is_init_finished(ssl_) ? SSL_get_version(ssl_) : std::string(); }

std::string TlsFilter::cipher() const { return SSL_is_init_finished(ssl_) ? SSL_get_cipher_name(ssl_) : std::string(); }

// ---- from the peer ----

Buffer* TlsFilter::decrypt(Buffer* in) {
  loop_->assertInLoopThread();
  while (in->readableBytes() > 0 && state_ != kFailed && !isEnding_) {
    size_t taken = 0;
    ERR_clear_error();
    if (BIO_write_ex(SSL_get_rbio(ssl_), in->peek(), in->readableBytes(), &taken) != 1) {
      onFailure("reading", SSL_ERROR_SYSCALL);
      break;
    }
    in->retrieve(taken);
    readPlaintext();
  }
  in->retrieveAll();  // behind the end there is nothing
  return &plain_;
}

/// Does the handshake too.
void TlsFilter::readPlaintext() {
  const bool wasHandshaking = state_ == kHandshaking;
  char record[kRecord];
  size_t len = 0;
  ERR_clear_error();
  while (SSL_read_ex(ssl_, record, sizeof record, &len) == 1) {
    plain_.append(record, len);  // a tight copy: room for a whole record would stay with each idle connection
    ERR_clear_error();
  }
  const int error = SSL_get_error(ssl_, 0);
  if (wasHandshaking && SSL_is_init_finished(ssl_)) onHandshakeComplete();
  if (!wasHandshaking) limitAnswers(BIO_ctrl_pending(SSL_get_wbio(ssl_)));
  if (error == SSL_ERROR_ZERO_RETURN) {
    onPeerEnd();
  } else if (error != SSL_ERROR_WANT_READ) {
    onFailure(wasHandshaking ? "handshake" : "reading", error);
  }
  flush();
  if (isWorthExchanging(SSL_get_rbio(ssl_))) {
    BIO* const fresh = BIO_new(BIO_s_mem());
    if (fresh != NULL) SSL_set0_rbio(ssl_, fresh);
  }
}

void TlsFilter::onHandshakeComplete() {
  state_ = kOpen;
  loop_->cancel(handshakeTimer_);
  const TcpConnectionPtr tcp = tcp_.lock();
  if (tcp) LOG_DEBUG << "TLS: " << tcp->name() << " speaks " << protocol() << " with " << cipher();
  std::string early;
  early.swap(early_);
  encrypt(early.data(), early.size());
}

// ---- to the peer ----

void TlsFilter::send(const char* data, size_t len) {
  loop_->assertInLoopThread();
  if (state_ == kHandshaking) {
    early_.append(data, len);
  } else if (state_ == kOpen) {
    encrypt(data, len);
  }
}

void TlsFilter::encrypt(const char* data, size_t len) {
  while (len > 0 && state_ == kOpen) {
    const size_t slice = std::min(len, kMaxWrite);
    size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_, data, slice, &written) != 1) {
      onFailure("writing", SSL_get_error(ssl_, 0));
      return;
    }
    flush();
    data += written;
    len -= written;
  }
}

void TlsFilter::shutdown() {
  loop_->assertInLoopThread();
  if (state_ == kOpen) {
    state_ = kShut;
    ERR_clear_error();
    SSL_shutdown(ssl_);  // a failure is of no use to anybody: the socket is shut down next
    flush();
  } else if (state_ == kHandshaking) {
    state_ = kFailed;  // without a session there is nobody to tell
  }
}

/// What OpenSSL has to say to the peer, in one write.
void TlsFilter::flush() {
  BIO* const out = SSL_get_wbio(ssl_);
  char* data = NULL;
  const long len = BIO_get_mem_data(out, &data);
  if (len <= 0) return;
  const TcpConnectionPtr tcp = tcp_.lock();
  if (tcp) tcp->send(data, static_cast<int>(len));
  BIO* fresh = NULL;
  BUF_MEM* memory = NULL;
  BIO_get_mem_ptr(out, &memory);
  if (memory->max > kKeep) fresh = BIO_new(BIO_s_mem());  // as above; and BIO_reset would clear all of it each time
  if (fresh != NULL) {
    SSL_set0_wbio(ssl_, fresh);
  } else {
    (void)BIO_reset(out);
  }
}

/// A peer that asks for new keys again and again and takes no byte must not fill the memory with the answers.
void TlsFilter::limitAnswers(size_t len) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (!tcp) return;
  untakenAnswers_ = tcp->outputBuffer()->readableBytes() == 0 ? 0 : untakenAnswers_ + len;
  if (untakenAnswers_ <= kMaxUntakenAnswers) return;
  LOG_WARN << "TLS: " << tcp->name() << " asks for more than it reads; the connection is dropped";
  state_ = kFailed;
  tcp->forceClose();
}

// ---- the end ----

/// OpenSSL has made the alert that says so to the peer, if there is one.
void TlsFilter::onFailure(const char* what, int sslError) {
  const TcpConnectionPtr tcp = tcp_.lock();
  const unsigned long error = ERR_peek_error();
  const char* const reason = ERR_reason_error_string(error);
  const bool isPlainHttp = ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST;
  ERR_clear_error();
  state_ = kFailed;
  if (!tcp) return;
  LOG_DEBUG << "TLS: " << tcp->name() << ": " << what << " failed: " << (reason == NULL ? "error" : reason) << " ("
            << sslError << "); the connection is closed";
  flush();
  if (isPlainHttp) tcp->send(kPlainHttp, static_cast<int>(sizeof kPlainHttp - 1));
  tcp->shutdown();
  closeWhenStalled();
}

/// The peer's close_notify. The host has not seen the bytes before it yet, and what it answers may be sent at the end
/// of the next turn.
void TlsFilter::onPeerEnd() {
  if (isEnding_) return;
  isEnding_ = true;
  const std::weak_ptr<TlsFilter> weak = shared_from_this();
  muduo::net::EventLoop* const loop = loop_;
  loop->queueInLoop([weak, loop]() {
    loop->queueInLoop([weak]() {
      if (const std::shared_ptr<TlsFilter> filter = weak.lock()) filter->end();
    });
  });
}

void TlsFilter::end() {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (!tcp || tcp->disconnected()) return;
  shutdown();
  tcp->shutdown();
  closeWhenStalled();
}

/// The peer has been told all; it closes, or takes what waits, or is closed.
void TlsFilter::closeWhenStalled() {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (!tcp || tcp->disconnected()) return;
  const size_t waiting = tcp->outputBuffer()->readableBytes();
  const std::weak_ptr<TlsFilter> weak = shared_from_this();
  loop_->runAfter(waiting > 0 ? kStallSeconds : kLingerSeconds, [weak, waiting]() {
    const std::shared_ptr<TlsFilter> filter = weak.lock();
    const TcpConnectionPtr conn = filter ? filter->tcp_.lock() : TcpConnectionPtr();
    if (!conn) return;
    const size_t left = conn->outputBuffer()->readableBytes();
    if (left < waiting) {
      filter->closeWhenStalled();
    } else {
      conn->forceClose();
    }
  });
}

void TlsFilter::startHandshakeTimer(double seconds) {
  const std::weak_ptr<TlsFilter> weak = shared_from_this();
  handshakeTimer_ = loop_->runAfter(seconds, [weak, seconds]() {
    if (const std::shared_ptr<TlsFilter> filter = weak.lock()) filter->onHandshakeTimeout(seconds);
  });
}

void TlsFilter::onHandshakeTimeout(double seconds) {
  const TcpConnectionPtr tcp = tcp_.lock();
  if (state_ != kHandshaking || !tcp) return;
  LOG_DEBUG << "TLS: " << tcp->name() << " did not complete the handshake within " << seconds << " s";
  state_ = kFailed;
  tcp->forceClose();
}

}  // namespace wsmuduo
