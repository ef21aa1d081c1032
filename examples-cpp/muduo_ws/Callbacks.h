// Internal: the callbacks of a route, or of a connection that has its own.

#ifndef MUDUO_WS_CALLBACKS_H
#define MUDUO_WS_CALLBACKS_H

#include "muduo_ws/WebSocketHandshake.h"

namespace wsmuduo {
namespace detail {

struct Callbacks {
  HandshakeCallback handshake;
  ConnectionCallback connection;
  MessageCallback message;
  ChunkCallback chunk;
  PongCallback pong;
  HighWaterMarkCallback highWaterMark;
  WritableCallback writable;
  WriteCompleteCallback writeComplete;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_CALLBACKS_H
