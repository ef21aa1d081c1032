// TokenStream: what a language model says, token by token, as JSON text messages:
//
//   {"type":"stream","requestId":"r-1","seq":1,"content":"Hel","done":false}
//   {"type":"stream","requestId":"r-1","seq":2,"content":"lo","done":true,"finish_reason":"stop"}
//
// Bytes are written as they come from the model, cut wherever they are. The first ones leave at once; what comes within
// Options::tokenMergeSeconds after a message is merged into the next one; a character is never cut. There are two kinds:
//
//   conn->newTokenStream("r-1")                  goes to that connection by itself, at the pace of the peer
//   ws.newTokenStream(loop, "r-1", onMessage)    calls back with each message, to be kept, or sent to several
//
// Everything happens in one loop's thread, the last pointer included. When loop, server or connection end first, the
// object is plain memory: isFinished() is true, and nothing is taken.

#ifndef MUDUO_WS_TOKENSTREAM_H
#define MUDUO_WS_TOKENSTREAM_H

#include <muduo/base/StringPiece.h>
#include <muduo/base/noncopyable.h>

#include <stdint.h>

#include <functional>
#include <memory>
#include <string>

namespace wsmuduo {

namespace detail {
class StreamCore;
}

class TokenStream;
typedef std::shared_ptr<TokenStream> TokenStreamPtr;

class TokenStream : muduo::noncopyable {
 public:
  struct Message {
    muduo::StringPiece json;  ///< valid during the call only
    uint64_t seq;             ///< 1, 2, 3, without a gap
    bool isDone;              ///< the last one
  };
  /// Called with each message when it is due, in order: from within write(), finish(), fail() and cancel(), or by the loop's
  /// timer. Anything may be done inside, to this stream too: messages that this makes due follow when the call has
  /// returned. Not called any more when the last pointer to the stream has been dropped.
  typedef std::function<void(const Message&)> MessageCallback;

  /// Whether the writer should pause. Called in write() and by the loop.
  typedef std::function<void(bool isPaused)> PauseCallback;

  /// What an answer has cost, as its model counts.
  struct Usage {
    uint64_t promptTokens;
    uint64_t completionTokens;
    uint64_t totalTokens;
  };

  /// Dropped without an end: one that goes to a connection is cancelled, so that nobody waits for the end in vain; of one
  /// with a callback nothing more comes. What was written before goes to the connection in any case.
  ~TokenStream();

  /// Takes the next bytes of the text. False, with nothing taken: it is finished, or more than Options::maxBufferedAmount would
  /// wait here for the connection; or this is not the connection's loop (logged).
  bool write(const muduo::StringPiece& bytes);

  /// The end of the text; the last message has what was not in any yet, the reason ("stop", "length"; "stop" if
  /// empty) and the usage. False: it was over before, or the reason is not UTF-8.
  bool finish(const std::string& reason, const Usage* usage = NULL);

  /// The end by an error, after what was written: a message of type "error", then the last one with the reason
  /// "error". `isRetryable`: the same question may be answered later. False: it was over before, or the texts are not UTF-8.
  bool fail(const std::string& code, const std::string& message, bool isRetryable);

  /// The end because nobody wants the rest: what was written, with the reason "cancelled". False: it was over before.
  bool cancel();

  /// Nothing is taken any more: it was ended, or the connection or the server is gone.
  bool isFinished() const;

  /// For a stream that goes to a connection: called with true when the peer is slow and enough waits, with false when there
  /// is room again; also when the connection ends while paused, so that the next write() says so. Not called after the end
  /// of the stream.
  void setPauseCallback(const PauseCallback& callback);
  /// What the callback was told last.
  bool isPaused() const;

 private:
  friend class detail::StreamCore;
  explicit TokenStream(const std::shared_ptr<detail::StreamCore>& core);

  const std::shared_ptr<detail::StreamCore> core_;  // null: it never lived
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_TOKENSTREAM_H
