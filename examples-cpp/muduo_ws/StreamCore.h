// Internal: the half of a TokenStream that lives in its loop and owns the ws_stream, from its making until its last message
// was handed over. TokenStream is the half that the application holds.

#ifndef MUDUO_WS_STREAMCORE_H
#define MUDUO_WS_STREAMCORE_H

#include "muduo_ws/LoopStreams.h"
#include "muduo_ws/TokenStream.h"

#include <ws_engine.h>

#include <functional>
#include <memory>
#include <string>

namespace wsmuduo {
namespace detail {

class Handle;
class Session;

class StreamCore : muduo::noncopyable, public std::enable_shared_from_this<StreamCore> {
 public:
  /// One whose messages go to the callback. In the loop's thread.
  static TokenStreamPtr make(const std::shared_ptr<LoopStreams>& streams, const std::string& requestId,
                             const TokenStream::MessageCallback& callback);
  /// One whose messages go to an open connection.
  static TokenStreamPtr make(const std::shared_ptr<LoopStreams>& streams, const std::string& requestId,
                             const std::shared_ptr<Handle>& handle);
  /// One that is finished.
  static TokenStreamPtr makeFinished();

  StreamCore(const std::shared_ptr<LoopStreams>& streams, ws_stream* stream, const TokenStream::MessageCallback& callback,
             const std::shared_ptr<Handle>& handle);
  ~StreamCore();

  // ---- from TokenStream ----

  bool write(const char* data, size_t len);
  /// `how` ends the ws_stream.
  bool end(const char* what, const std::function<ws_status(ws_stream*)>& how);
  /// Nothing is taken any more.
  bool isEnded() const;
  void setPauseCallback(const TokenStream::PauseCallback& callback) { pauseCallback_ = callback; }
  bool isPaused() const { return isPaused_; }
  /// The application has dropped it. Any thread: then the loop hears of it with its next turn.
  void drop();

  // ---- from LoopStreams and Session, in the loop ----

  void onDue() { handOver(); }
  void dropInLoop();
  /// Queues what is due on the connection; calls no callback. False: it must wait on.
  bool send(Session* session);
  /// Tells the writer, and ends when everything was sent.
  void settle();
  /// The connection is over.
  void onConnectionGone();
  /// Nothing is handed over any more, and nobody is called.
  void release();

 private:
  static TokenStreamPtr make(const std::shared_ptr<LoopStreams>& streams, const std::string& requestId,
                             const TokenStream::MessageCallback& callback, const std::shared_ptr<Handle>& handle);
  bool mayBeUsed(const char* what) const;
  void handOver();
  void deliver();
  void sendOrWait();
  void tellOfPause(bool isPaused);

  const std::shared_ptr<LoopStreams> streams_;
  const std::shared_ptr<Handle> handle_;  // null: with a callback
  std::shared_ptr<const TokenStream::MessageCallback> callback_;  // shared, since it may end the stream that calls it
  TokenStream::PauseCallback pauseCallback_;
  ws_stream* stream_;  // NULL: released
  bool isEnded_;
  bool isDelivering_;
  bool waits_;     // the connection calls send() when there is room
  bool isPaused_;  // what the writer was told
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_STREAMCORE_H
