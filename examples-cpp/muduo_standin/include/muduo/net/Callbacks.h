// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_NET_CALLBACKS_H
#define MUDUO_STANDIN_NET_CALLBACKS_H

#include "muduo/base/Timestamp.h"

#include <functional>
#include <memory>

namespace muduo
{

using std::placeholders::_1;
using std::placeholders::_2;
using std::placeholders::_3;

template <typename T>
inline T* get_pointer(const std::shared_ptr<T>& ptr)
{
  return ptr.get();
}

template <typename T>
inline T* get_pointer(const std::unique_ptr<T>& ptr)
{
  return ptr.get();
}

template <typename To, typename From>
inline std::shared_ptr<To> down_pointer_cast(const std::shared_ptr<From>& from)
{
  assert(!from || dynamic_cast<To*>(from.get()) != nullptr);
  return std::static_pointer_cast<To>(from);
}

namespace net
{

class Buffer;
class TcpConnection;

typedef std::shared_ptr<TcpConnection> TcpConnectionPtr;
typedef std::function<void()> TimerCallback;
typedef std::function<void(const TcpConnectionPtr&)> ConnectionCallback;
typedef std::function<void(const TcpConnectionPtr&)> CloseCallback;
typedef std::function<void(const TcpConnectionPtr&)> WriteCompleteCallback;
typedef std::function<void(const TcpConnectionPtr&, size_t)> HighWaterMarkCallback;
// What is not retrieved from the buffer is still there at the next call.
typedef std::function<void(const TcpConnectionPtr&, Buffer*, Timestamp)> MessageCallback;

// The callbacks of a server that set none: trace the connection, discard the data.
void defaultConnectionCallback(const TcpConnectionPtr& conn);
void defaultMessageCallback(const TcpConnectionPtr& conn, Buffer* buffer, Timestamp receiveTime);

}  // namespace net
}  // namespace muduo

#endif
