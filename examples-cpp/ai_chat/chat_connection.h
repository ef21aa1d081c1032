// The chat's wire protocol on one WebSocket: at most one answer at a time. Lives in the connection's loop.
#ifndef AI_CHAT_CHAT_CONNECTION_H
#define AI_CHAT_CHAT_CONNECTION_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "chat_json.h"
#include "chat_metrics.h"
#include "chat_options.h"
#include "curl_loop.h"
#include "muduo_ws/WebSocketConnection.h"
#include "session_store.h"
#include "upstream.h"

namespace ai_chat {

class ChatConnection : public std::enable_shared_from_this<ChatConnection>, muduo::noncopyable {
 public:
  // All but `webSocket` must outlive it.
  ChatConnection(const wsmuduo::WebSocketConnectionPtr& webSocket, CurlLoop* curl, const ChatOptions& options,
                 SessionStore* sessions, ChatMetrics* metrics, const std::atomic<bool>* draining);

  // Once, when it is made.
  void watchPressure();
  void onMessage(std::string_view data, bool isText);

  // The browser is gone, or the server ends: an answer under way is cancelled, what was produced is kept. Nothing
  // is sent from here on.
  void shutDown();

 private:
  void onChat(ChatCommand command);
  void onStop();
  void onText(std::string_view text);
  void onEnd(const UpstreamResult& result);

  void send(const std::string& json);
  void refuse(std::string_view code, const std::string& why);
  void cancelAnswer();
  void finishAnswer(const char* how);
  bool answering() const { return request_ != nullptr; }

  const std::weak_ptr<wsmuduo::WebSocketConnection> webSocket_;
  const std::string name_;  // in logs
  CurlLoop* const curl_;
  const ChatOptions& options_;
  SessionStore* const sessions_;
  ChatMetrics* const metrics_;
  const std::atomic<bool>* const draining_;
  bool over_ = false;
  bool isBehind_ = false;  // the browser reads more slowly than the model speaks

  // The answer under way.
  std::shared_ptr<UpstreamRequest> request_;
  ChatCommand question_;
  std::string answer_;  // as much of it as a session keeps
  std::size_t answerBytes_ = 0;
  muduo::Timestamp begun_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_CONNECTION_H
