// The WebSocket side of the server under test: each path does something that applications do, or should not do.

#ifndef ADAPTER_SERVER_COMMANDS_H
#define ADAPTER_SERVER_COMMANDS_H

#include "muduo_ws/WebSocketServer.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

class Commands : muduo::noncopyable {
 public:
  explicit Commands(wsmuduo::WebSocketServer* ws);
  ~Commands();

  /// What the command "destroy" does: end the TcpServer and the WebSocketServer inside a message callback.
  void setDestroy(const std::function<void()>& destroy) { destroy_ = destroy; }

  /// Counters as JSON, for the tests.
  std::string stats() const;
  int ups() const { return ups_; }
  int downs() const { return downs_; }

 private:
  typedef wsmuduo::WebSocketConnectionPtr Ptr;

  void onConnection(const Ptr& conn);
  void onEcho(const Ptr& conn, const muduo::StringPiece& data, bool isText);
  void onCommand(const Ptr& conn, const std::string& line);
  void onWorkers(const Ptr& conn, const std::string& line);
  void onFill(const Ptr& conn);
  void onSome(const Ptr& conn);
  void onKeep(const Ptr& conn, const std::string& line);
  void onHandshake(const wsmuduo::WebSocketHandshakePtr& handshake);
  void addThread(const std::function<void()>& body);

  wsmuduo::WebSocketServer* const ws_;
  std::function<void()> destroy_;
  std::atomic<int> ups_;
  std::atomic<int> downs_;
  std::atomic<int> messages_;

  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::string> closes_;
  std::vector<std::thread> threads_;
  std::vector<Ptr> kept_;  // pointers that outlive their connections
};

#endif  // ADAPTER_SERVER_COMMANDS_H
