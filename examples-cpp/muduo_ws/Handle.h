// Internal: the state of a WebSocketConnection that threads share, and the way from any thread into its loop.
//
// A connection has two halves. Handle is the half that lives as long as anybody holds a WebSocketConnectionPtr: plain
// memory, locked. Session is the half that lives in the loop from upgrade to DOWN: it owns the ws_conn. A Handle reaches
// its Session only in the loop's thread; other threads leave messages in the outbox and queue one functor in the loop.

#ifndef MUDUO_WS_HANDLE_H
#define MUDUO_WS_HANDLE_H

#include "muduo_ws/WebSocketConnection.h"

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace wsmuduo {
namespace detail {

/// What a sender on another thread leaves in the outbox.
struct Outgoing {
  enum Kind { kText, kBinary, kPing, kClose };
  Kind kind;
  uint16_t closeCode;
  std::string data;
};

/// What one frame may cost beside its payload. Counted in full, so that the sum is never below what the engine queues.
const size_t kFrameOverhead = 14;

class Handle : muduo::noncopyable {
 public:
  Handle(const muduo::net::TcpConnectionPtr& tcp, const std::string& target, const std::string& requestHead, size_t limit);

  // ---- any thread ----

  bool send(Outgoing::Kind kind, const char* data, size_t len);
  void close(uint16_t code, const std::string& reason);
  void forceClose();
  size_t bufferedAmount();
  bool isOpen() const { return open_.load(std::memory_order_acquire); }
  uint16_t closeCode() const { return closeCode_.load(std::memory_order_acquire); }
  std::string closeReason();

  // never change
  muduo::net::EventLoop* loop() const { return loop_; }
  const std::string& name() const { return name_; }
  const muduo::net::InetAddress& peerAddress() const { return peerAddress_; }
  const muduo::net::InetAddress& localAddress() const { return localAddress_; }
  const std::string& path() const { return path_; }
  const std::string& query() const { return query_; }
  const std::string& requestHead() const { return requestHead_; }
  const std::string& subprotocol() const { return subprotocol_; }  // set before the opening is told to anybody

  // ---- the loop's thread: for Session ----

  void attach(const std::shared_ptr<Session>& session);
  void opened(const std::string& subprotocol);
  /// No message is accepted any more. False: it was over before, or had never begun.
  bool closed(uint16_t code, const std::string& reason);
  /// The Session goes. Nothing is queued in the loop from here on.
  void detach();
  Session* session() const { return session_; }

  /// The functor that a wake queued has come: the next one needs another, whether or not there was anything to take.
  void noteAwake();
  bool hasOutbox() const { return outboxBytes_.load(std::memory_order_acquire) != 0; }
  /// Takes the messages that other threads have left, and their cost, to be given to settle() when they are queued.
  size_t takeOutbox(std::vector<Outgoing>* messages);
  void settle(size_t cost) { outboxBytes_.fetch_sub(cost, std::memory_order_acq_rel); }
  size_t outboxBytes() const { return outboxBytes_.load(std::memory_order_acquire); }
  /// Tells other threads what the engine and Muduo hold.
  void publishHanded(size_t bytes) { handedBytes_.store(bytes, std::memory_order_release); }

  bool isClosing() const { return closing_.load(std::memory_order_acquire); }
  /// True for the first of all who want to close.
  bool beginClosing() { return !closing_.exchange(true); }
  void noteRefusal() { refused_.store(true); }
  bool wasRefused() const { return refused_.load(); }
  void forgetRefusal() { refused_.store(false); }

 private:
  bool inLoopThread() const { return std::this_thread::get_id() == loopThread_; }
  void wakeLocked();

  muduo::net::EventLoop* const loop_;
  const std::thread::id loopThread_;  // instead of asking the loop, which may be gone when a thread still sends
  const std::string name_;
  const muduo::net::InetAddress peerAddress_;
  const muduo::net::InetAddress localAddress_;
  const std::string requestHead_;
  const size_t limit_;
  std::string path_;
  std::string query_;
  std::string subprotocol_;

  Session* session_;                    // the loop's thread only
  std::weak_ptr<Session> weakSession_;  // written once, before any other thread knows the Handle; locked in the loop only

  std::atomic<bool> open_;
  std::atomic<bool> closing_;  // close() or forceClose() was called
  std::atomic<bool> refused_;  // send() was false because of the limit, and nobody was told of room since
  std::atomic<uint16_t> closeCode_;
  std::atomic<size_t> outboxBytes_;
  std::atomic<size_t> handedBytes_;

  std::mutex mutex_;  // guards what follows, and with it the loop: while attached_, the loop lives
  bool attached_;
  bool wakeQueued_;
  std::vector<Outgoing> outbox_;
  std::string closeReason_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_HANDLE_H
