// Paths of the server under test that answer token by token.

#ifndef ADAPTER_SERVER_STREAMS_H
#define ADAPTER_SERVER_STREAMS_H

#include "muduo_ws/WebSocketServer.h"

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

class Streams : muduo::noncopyable {
 public:
  explicit Streams(wsmuduo::WebSocketServer* ws);
  ~Streams();

  /// Ends the TcpServer and the WebSocketServer.
  void setDestroy(const std::function<void()>& destroy) { destroy_ = destroy; }
  /// Counters as JSON.
  std::string stats() const;

 private:
  typedef wsmuduo::WebSocketConnectionPtr Ptr;

  void onTokens(const Ptr& conn, const std::string& line);
  void onLog(const Ptr& conn, const std::string& line);

  wsmuduo::WebSocketServer* const ws_;
  std::function<void()> destroy_;
  std::mutex mutex_;  // guards threads_
  std::vector<std::thread> threads_;
};

#endif  // ADAPTER_SERVER_STREAMS_H
