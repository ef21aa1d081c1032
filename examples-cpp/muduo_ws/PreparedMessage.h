// PreparedMessage: one message that is encoded once, and compressed once, and sent to many connections.

#ifndef MUDUO_WS_PREPAREDMESSAGE_H
#define MUDUO_WS_PREPAREDMESSAGE_H

#include <muduo/base/StringPiece.h>

#include <stddef.h>

#include <memory>

struct ws_prepared;

namespace wsmuduo {

/// A value: copies share the message, and any thread may use them.
class PreparedMessage {
 public:
  /// No message: isValid() is false, and sending it returns false.
  PreparedMessage() : size_(0) {}

  /// Invalid when the bytes are not UTF-8 (RFC 6455, 5.6).
  static PreparedMessage text(const muduo::StringPiece& text);
  static PreparedMessage binary(const muduo::StringPiece& data);

  bool isValid() const { return prepared_ != nullptr; }
  /// Bytes of the payload.
  size_t size() const { return size_; }

  /// For functions of the C API.
  ws_prepared* get() const { return prepared_.get(); }

 private:
  PreparedMessage(int type, const muduo::StringPiece& data);

  std::shared_ptr<ws_prepared> prepared_;
  size_t size_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_PREPAREDMESSAGE_H
