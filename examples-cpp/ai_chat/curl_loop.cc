#include "curl_loop.h"

#include <fcntl.h>
#include <unistd.h>

#include <muduo/base/Logging.h>
#include <muduo/net/Channel.h>

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <utility>

namespace ai_chat {

// A socket of libcurl's, watched by the loop.
//
// The Channel sits on a duplicate of the descriptor. libcurl closes its own whenever it likes, and the next accept()
// in the same round of the loop may get that number, while the Channel must not be removed before the round
// is over (the loop may have an event for it in hand). The duplicate keeps the two apart.
class CurlLoop::Watch : muduo::noncopyable {
 public:
  Watch(CurlLoop* owner, curl_socket_t socket, int duplicate)
      : descriptor_(duplicate), channel_(owner->loop_, duplicate) {
    const auto act = [this, owner, socket](int events) {
      if (!retired_) owner->act(socket, events);
    };
    channel_.setReadCallback([act](muduo::Timestamp) { act(CURL_CSELECT_IN); });
    channel_.setWriteCallback([act] { act(CURL_CSELECT_OUT); });
    channel_.setErrorCallback([act] { act(CURL_CSELECT_ERR); });
    // Hang-up without data: libcurl finds out by reading.
    channel_.setCloseCallback([act] { act(CURL_CSELECT_IN); });
    channel_.doNotLogHup();
  }

  ~Watch() {
    retire();
    if (added_) channel_.remove();
    ::close(descriptor_);
  }

  void set(int what) {
    const bool reads = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
    const bool writes = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
    added_ = added_ || reads || writes;
    // What is new comes first, so that the poller need not drop the descriptor in between.
    if (reads && !channel_.isReading()) channel_.enableReading();
    if (writes && !channel_.isWriting()) channel_.enableWriting();
    if (!reads && channel_.isReading()) channel_.disableReading();
    if (!writes && channel_.isWriting()) channel_.disableWriting();
  }

  // No event reaches libcurl any more, though the loop may still have one in hand.
  void retire() {
    retired_ = true;
    if (!channel_.isNoneEvent()) channel_.disableAll();
  }

 private:
  const int descriptor_;
  muduo::net::Channel channel_;
  bool added_ = false;
  bool retired_ = false;
};

CurlLoop::CurlLoop(muduo::net::EventLoop* loop)
    : loop_(loop), multi_(curl_multi_init()), alive_(std::make_shared<CurlLoop*>(this)) {
  if (multi_ == nullptr) throw std::runtime_error("curl_multi_init failed");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlLoop::onSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlLoop::onTimeout);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 256L);  // idle ones, kept for the next request
}

CurlLoop::~CurlLoop() {
  loop_->assertInLoopThread();
  assert(!insideCurl_);
  alive_.reset();
  if (timerSet_) loop_->cancel(timer_);
  while (!transfers_.empty()) cancel(transfers_.begin()->first);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, nullptr);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
  watches_.clear();
  retired_.clear();
  curl_multi_cleanup(multi_);
}

// ---- transfers ----

void CurlLoop::start(CURL* easy, CurlTransfer* transfer) {
  loop_->assertInLoopThread();
  assert(!insideCurl_);
  Entry& entry = transfers_.emplace(easy, Entry{this, easy, transfer, nullptr, false}).first->second;
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &CurlLoop::onHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &entry);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &CurlLoop::onWrite);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &entry);

  insideCurl_ = true;
  const CURLMcode result = curl_multi_add_handle(multi_, easy);
  insideCurl_ = false;
  if (result != CURLM_OK) {
    LOG_ERROR << "libcurl takes no transfer: " << curl_multi_strerror(result);
    failed_.push_back(easy);
    actSoon();
  }
}

void CurlLoop::cancel(CURL* easy) {
  loop_->assertInLoopThread();
  if (transfers_.count(easy) != 0) forget(easy);
}

void CurlLoop::resume(CURL* easy) {
  loop_->assertInLoopThread();
  assert(!insideCurl_);
  if (transfers_.count(easy) == 0) return;
  insideCurl_ = true;  // hands out what libcurl kept
  curl_easy_pause(easy, CURLPAUSE_CONT);
  insideCurl_ = false;
  actSoon();
}

void CurlLoop::keepUntilFinished(CURL* easy, std::shared_ptr<void> owner) {
  const auto found = transfers_.find(easy);
  if (found != transfers_.end()) found->second.owner = std::move(owner);
}

CurlLoop::Entry CurlLoop::forget(CURL* easy) {
  assert(!insideCurl_);
  insideCurl_ = true;
  curl_multi_remove_handle(multi_, easy);
  insideCurl_ = false;
  touched_.erase(std::remove(touched_.begin(), touched_.end(), easy), touched_.end());
  failed_.erase(std::remove(failed_.begin(), failed_.end(), easy), failed_.end());
  Entry entry = std::move(transfers_.at(easy));
  transfers_.erase(easy);
  return entry;
}

void CurlLoop::finish(CURL* easy, CURLcode result) {
  if (transfers_.count(easy) == 0) return;
  const Entry entry = forget(easy);
  entry.transfer->onFinished(result);
}

// ---- what happened ----

void CurlLoop::act(curl_socket_t socket, int events) {
  int running = 0;
  insideCurl_ = true;
  const CURLMcode result = curl_multi_socket_action(multi_, socket, events, &running);
  insideCurl_ = false;
  if (result != CURLM_OK) LOG_ERROR << "curl_multi_socket_action: " << curl_multi_strerror(result);
  settle();
}

void CurlLoop::actSoon() {
  if (std::exchange(actsSoon_, true)) return;
  loop_->queueInLoop([alive = std::weak_ptr<CurlLoop*>(alive_)] {
    const auto self = alive.lock();
    if (!self) return;
    (*self)->actsSoon_ = false;
    (*self)->act(CURL_SOCKET_TIMEOUT, 0);
  });
}

// Tells the transfers what libcurl has for them. They may start and cancel others, so each step looks anew.
void CurlLoop::settle() {
  if (std::exchange(settling_, true)) return;
  for (;;) {
    if (!touched_.empty()) {
      Entry& entry = transfers_.at(touched_.front());
      touched_.pop_front();
      entry.touched = false;
      entry.transfer->onProgress();
    } else if (!failed_.empty()) {
      finish(failed_.front(), CURLE_OUT_OF_MEMORY);
    } else {
      int left = 0;
      const CURLMsg* message = curl_multi_info_read(multi_, &left);
      if (message == nullptr) break;
      if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
    }
  }
  settling_ = false;
}

// ---- libcurl's callbacks: they only store ----

// Line by line. An empty one ends the head; with HTTP/2 it looks the same.
std::size_t CurlLoop::onHeader(char* data, std::size_t size, std::size_t count, void* userData) {
  if (size * count > 0 && (data[0] == '\r' || data[0] == '\n')) touch(static_cast<Entry*>(userData));
  return size * count;
}

std::size_t CurlLoop::onWrite(char* data, std::size_t size, std::size_t count, void* userData) {
  Entry* entry = static_cast<Entry*>(userData);
  if (!entry->transfer->onBody(data, size * count)) return CURL_WRITEFUNC_PAUSE;
  touch(entry);
  return size * count;
}

void CurlLoop::touch(Entry* entry) {
  if (!std::exchange(entry->touched, true)) entry->loop->touched_.push_back(entry->easy);
}

int CurlLoop::onSocket(CURL* easy, curl_socket_t socket, int what, void* self, void*) {
  static_cast<CurlLoop*>(self)->watch(easy, socket, what);
  return 0;  // an error would end every transfer
}

int CurlLoop::onTimeout(CURLM*, long milliseconds, void* self) {
  static_cast<CurlLoop*>(self)->setTimer(milliseconds);
  return 0;
}

void CurlLoop::watch(CURL* easy, curl_socket_t socket, int what) {
  if (what == CURL_POLL_REMOVE) {
    retire(socket);
    return;
  }
  std::unique_ptr<Watch>& watch = watches_[socket];
  if (!watch) {
    const int duplicate = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0) {
      LOG_SYSERR << "no file descriptor left to watch a connection to the model's server";
      watches_.erase(socket);
      failed_.push_back(easy);
      actSoon();
      return;
    }
    watch = std::make_unique<Watch>(this, socket, duplicate);
  }
  watch->set(what);
}

void CurlLoop::retire(curl_socket_t socket) {
  const auto found = watches_.find(socket);
  if (found == watches_.end()) return;
  found->second->retire();
  retired_.push_back(std::move(found->second));
  watches_.erase(found);
  loop_->queueInLoop([alive = std::weak_ptr<CurlLoop*>(alive_)] {
    if (const auto self = alive.lock()) (*self)->retired_.clear();
  });
}

// libcurl changes its mind with every packet. A timer that is set for an earlier time stays, and looks again when it
// fires.
void CurlLoop::setTimer(long milliseconds) {
  wantsTimer_ = milliseconds > 0;
  if (milliseconds == 0) actSoon();
  if (milliseconds <= 0) return;
  due_ = muduo::addTime(muduo::Timestamp::now(), static_cast<double>(milliseconds) / 1000.0);
  if (!timerSet_ || due_ < timerAt_) startTimer();
}

void CurlLoop::startTimer() {
  if (timerSet_) loop_->cancel(timer_);
  timerSet_ = true;
  timerAt_ = due_;
  timer_ = loop_->runAt(due_, [alive = std::weak_ptr<CurlLoop*>(alive_)] {
    if (const auto self = alive.lock()) (*self)->onTimer();
  });
}

void CurlLoop::onTimer() {
  timerSet_ = false;
  if (!wantsTimer_) return;
  if (muduo::Timestamp::now() < due_) {
    startTimer();
  } else {
    act(CURL_SOCKET_TIMEOUT, 0);
  }
}

}  // namespace ai_chat
