// libcurl's multi interface inside a muduo::net::EventLoop: its sockets are Channels, its timer is a timer of
// the loop. Nothing blocks, and no thread is added.
//
// libcurl forbids most of its calls inside its own callbacks, and so does prudence. Here a callback of libcurl
// only stores: what acts on it (CurlTransfer::onProgress, onFinished) runs when libcurl has returned, and may
// start, cancel, pause or destroy any transfer.
#ifndef AI_CHAT_CURL_LOOP_H
#define AI_CHAT_CURL_LOOP_H

#include <curl/curl.h>

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/TimerId.h>

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

namespace ai_chat {

class CurlLoop;

// Somebody who wants one HTTP exchange. Lives in the loop's thread.
class CurlTransfer {
 public:
  virtual ~CurlTransfer() = default;

  // Inside libcurl: store the bytes. False keeps them in libcurl and pauses the transfer until CurlLoop::resume().
  virtual bool onBody(const char* data, std::size_t length) = 0;

  // Outside libcurl, after the head of an answer or one or more onBody().
  virtual void onProgress() = 0;

  // Outside libcurl; the transfer is over and no longer known to the CurlLoop.
  virtual void onFinished(CURLcode result) = 0;
};

// One for each event loop; everything in the loop's thread, destruction included (in a functor of the loop,
// or when the loop does not run any more; not in an event's callback).
class CurlLoop : muduo::noncopyable {
 public:
  explicit CurlLoop(muduo::net::EventLoop* loop);
  ~CurlLoop();  // cancels what is left, without onFinished

  muduo::net::EventLoop* loop() const { return loop_; }

  // `easy` is configured except for its header and write functions; it stays the caller's. onFinished() follows, later.
  void start(CURL* easy, CurlTransfer* transfer);

  // At once: the connection is closed (or the HTTP/2 stream reset). No call follows. Fine when it is over already.
  void cancel(CURL* easy);

  // After onBody() returned false.
  void resume(CURL* easy);

  // Keeps `owner` until `easy` has finished, so that its connection can be used again.
  void keepUntilFinished(CURL* easy, std::shared_ptr<void> owner);

  std::size_t transfers() const { return transfers_.size(); }

 private:
  class Watch;
  struct Entry {
    CurlLoop* loop;
    CURL* easy;
    CurlTransfer* transfer;
    std::shared_ptr<void> owner;
    bool touched;  // stands in touched_
  };

  static int onSocket(CURL* easy, curl_socket_t socket, int what, void* self, void* socketData);
  static int onTimeout(CURLM* multi, long milliseconds, void* self);
  static std::size_t onHeader(char* data, std::size_t size, std::size_t count, void* entry);
  static std::size_t onWrite(char* data, std::size_t size, std::size_t count, void* entry);
  static void touch(Entry* entry);

  void watch(CURL* easy, curl_socket_t socket, int what);
  void retire(curl_socket_t socket);
  void setTimer(long milliseconds);
  void startTimer();
  void onTimer();
  void act(curl_socket_t socket, int events);
  void actSoon();
  void settle();
  void finish(CURL* easy, CURLcode result);
  Entry forget(CURL* easy);

  muduo::net::EventLoop* const loop_;
  CURLM* const multi_;
  std::shared_ptr<CurlLoop*> alive_;  // what is queued in the loop holds a weak pointer
  std::unordered_map<CURL*, Entry> transfers_;  // its nodes stay put: libcurl points to them
  std::unordered_map<curl_socket_t, std::unique_ptr<Watch>> watches_;
  std::vector<std::unique_ptr<Watch>> retired_;
  std::deque<CURL*> touched_;  // have news
  std::deque<CURL*> failed_;   // cannot be watched
  bool wantsTimer_ = false;
  muduo::Timestamp due_;  // what libcurl wants
  muduo::Timestamp timerAt_;
  muduo::net::TimerId timer_;
  bool timerSet_ = false;
  bool actsSoon_ = false;
  bool insideCurl_ = false;
  bool settling_ = false;
};

}  // namespace ai_chat

#endif  // AI_CHAT_CURL_LOOP_H
