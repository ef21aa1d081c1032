// More paths of the server under test: what a route can have beside messages, and handshakes that are decided later.

#ifndef ADAPTER_SERVER_FEATURES_H
#define ADAPTER_SERVER_FEATURES_H

#include "muduo_ws/WebSocketServer.h"

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

class Features : muduo::noncopyable {
 public:
  explicit Features(wsmuduo::WebSocketServer* ws);
  ~Features();

  /// What has happened, one line each, as a JSON list.
  std::string events() const;

 private:
  typedef wsmuduo::WebSocketConnectionPtr Ptr;

  void onChunk(const Ptr& conn, const wsmuduo::Chunk& chunk);
  void onPressure(const Ptr& conn, const std::string& line);
  void onReplace(const Ptr& conn, const std::string& line);
  void onReading(const Ptr& conn, const std::string& line);
  void onFlood(const Ptr& conn, const std::string& line);
  void onLater(const wsmuduo::WebSocketHandshakePtr& handshake);
  void decide(const wsmuduo::WebSocketHandshakePtr& handshake);
  void addThread(const std::function<void()>& body);
  void note(const std::string& event);

  wsmuduo::WebSocketServer* const ws_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::string> events_;
  std::vector<std::thread> threads_;
};

#endif  // ADAPTER_SERVER_FEATURES_H
