// The chat as a whole: the connections of every loop, one CurlLoop for each loop, and the sessions they share.
#ifndef AI_CHAT_CHAT_SERVICE_H
#define AI_CHAT_CHAT_SERVICE_H

#include <muduo/base/StringPiece.h>
#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>
#include <muduo/net/Callbacks.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "chat_connection.h"
#include "chat_metrics.h"
#include "muduo_ws/WebSocketConnection.h"
#include "session_store.h"

namespace ai_chat {

class ChatService : muduo::noncopyable {
 public:
  // `loop`: the base loop. All must outlive it.
  ChatService(muduo::net::EventLoop* loop, const ChatOptions& options, ChatMetrics* metrics);
  ~ChatService();  // after leaveLoops() has reported, or before any loop ran

  // ---- callbacks of the server, each in its loop ----

  void onLoop(muduo::net::EventLoop* loop);  // ThreadInitCallback
  void onConnection(const wsmuduo::WebSocketConnectionPtr& webSocket);
  void onMessage(const wsmuduo::WebSocketConnectionPtr& webSocket, const muduo::StringPiece& data, bool isText,
                 muduo::Timestamp receiveTime);

  // ---- the end ----

  // Any thread: refuses new questions from now on. `done` is called in the base loop, once no answer is under way or
  // when `seconds` are over.
  void drain(double seconds, std::function<void()> done);

  // Cancels every answer and takes libcurl out of all loops; `done` is called in one of them. No chat is possible
  // from here on.
  void leaveLoops(std::function<void()> done);

 private:
  struct Loop;  // what belongs to one event loop, used in its thread only

  Loop* loopOf(muduo::net::EventLoop* loop);
  void waitForAnswers(muduo::Timestamp end, std::function<void()> done);

  muduo::net::EventLoop* const base_;
  const ChatOptions options_;
  ChatMetrics* const metrics_;
  SessionStore sessions_;
  std::atomic<bool> draining_{false};
  std::mutex mutex_;  // guards loops_
  std::map<muduo::net::EventLoop*, std::unique_ptr<Loop>> loops_;  // the map, not what is in it
};

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_SERVICE_H
