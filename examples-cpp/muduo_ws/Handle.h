// Internal: the half of a WebSocketConnection that threads share.
//
// A connection has two halves. Handle lives as long as anybody holds a WebSocketConnectionPtr: plain memory. Session is
// the half that lives in the loop from upgrade to DOWN: it owns the ws_conn. A Handle reaches its Session only in the
// loop's thread; other threads leave what they want in the LoopQueue.

#ifndef MUDUO_WS_HANDLE_H
#define MUDUO_WS_HANDLE_H

#include "muduo_ws/LoopQueue.h"
#include "muduo_ws/WebSocketConnection.h"

#include <atomic>
#include <mutex>
#include <thread>

namespace wsmuduo {
namespace detail {

/// What one frame may cost beside its payload. Counted in full, so that the sum is never below what the engine queues.
const size_t kFrameOverhead = 14;

class Handle : muduo::noncopyable, public std::enable_shared_from_this<Handle> {
 public:
  Handle(const muduo::net::TcpConnectionPtr& tcp, const std::shared_ptr<LoopQueue>& queue, const std::string& target,
         const std::string& requestHead, size_t limit);

  // ---- any thread ----

  bool send(Outgoing::Kind kind, const char* data, size_t len);
  bool sendPrepared(const PreparedMessage& message);
  void close(uint16_t code, const std::string& reason);
  void forceClose();
  void setReading(bool isReading);
  size_t bufferedAmount();
  bool isAttached() const { return attached_.load(std::memory_order_acquire); }
  bool isOpen() const { return open_.load(std::memory_order_acquire); }
  uint16_t closeCode() const { return closeCode_.load(std::memory_order_acquire); }
  std::string closeReason();
  /// Runs the task in the loop, at once if this is its thread; behind everything that was sent before. It gets NULL when
  /// the connection is gone by then. False: it is gone already.
  bool post(const LoopTask& task);
  bool inLoopThread() const { return std::this_thread::get_id() == loopThread_; }

  // never change
  muduo::net::EventLoop* loop() const { return loop_; }
  const std::shared_ptr<LoopQueue>& queue() const { return queue_; }
  const std::string& name() const { return name_; }
  const muduo::net::InetAddress& peerAddress() const { return peerAddress_; }
  const muduo::net::InetAddress& localAddress() const { return localAddress_; }
  const std::string& target() const { return target_; }
  const std::string& path() const { return path_; }
  const std::string& query() const { return query_; }
  const std::string& requestHead() const { return requestHead_; }
  /// Empty before the opening, when a worker that decides on the handshake may already ask.
  const std::string& subprotocol() const;

  // ---- the loop's thread: for Session ----

  void attach(Session* session);
  void opened(const std::string& subprotocol);
  /// No message is accepted any more. False: it was over before, or had never begun.
  bool closed(uint16_t code, const std::string& reason);
  /// The Session goes. Nothing is queued in the loop from here on.
  void detach();
  Session* session() const { return session_; }

  /// What another thread had sent was queued.
  void settle(const Outgoing& message) { outboxBytes_.fetch_sub(message.cost(), std::memory_order_acq_rel); }
  size_t outboxBytes() const { return outboxBytes_.load(std::memory_order_acquire); }
  /// Tells other threads what the engine and Muduo hold.
  void publishHanded(size_t bytes) { handedBytes_.store(bytes, std::memory_order_release); }

  bool isClosing() const { return closing_.load(std::memory_order_acquire); }
  /// True for the first of all who want to close.
  bool beginClosing() { return !closing_.exchange(true); }
  /// send() was false because of the limit, and nobody was told of room since.
  void noteRefusal() { refused_.store(true, std::memory_order_release); }
  bool wasRefused() const { return refused_.load(std::memory_order_acquire); }
  void forgetRefusal() { refused_.store(false, std::memory_order_release); }

 private:
  friend class LoopQueue;
  bool postMessage(Outgoing* message);
  bool refuse();
  bool hasRoomFor(size_t cost) const;
  /// Telling of room would be of no use.
  bool neverFits(size_t len) const { return len + kFrameOverhead > limit_; }

  muduo::net::EventLoop* const loop_;
  const std::thread::id loopThread_;  // instead of asking the loop, which may be gone when a thread still sends
  const std::shared_ptr<LoopQueue> queue_;
  const std::string name_;
  const muduo::net::InetAddress peerAddress_;
  const muduo::net::InetAddress localAddress_;
  const std::string target_;
  const std::string requestHead_;
  const size_t limit_;
  std::string path_;
  std::string query_;
  std::string subprotocol_;

  Session* session_;  // the loop's thread only

  std::atomic<bool> subprotocolIsKnown_;
  std::atomic<bool> attached_;  // changed under the lock of the queue
  std::atomic<bool> open_;
  std::atomic<bool> closing_;  // close() or forceClose() was called
  std::atomic<bool> refused_;
  std::atomic<uint16_t> closeCode_;
  std::atomic<size_t> outboxBytes_;
  std::atomic<size_t> handedBytes_;

  std::mutex mutex_;  // guards closeReason_
  std::string closeReason_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_HANDLE_H
