// The chat as a whole: the connections of every loop, one CurlLoop for each loop, and the sessions they share.
#ifndef AI_CHAT_CHAT_SERVICE_H
#define AI_CHAT_CHAT_SERVICE_H

#include <muduo/base/StringPiece.h>
#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>
#include <muduo/net/Callbacks.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "chat_connection.h"
#include "muduo_ws/WebSocketConnection.h"
#include "session_store.h"

namespace ai_chat {

class ChatService : muduo::noncopyable {
 public:
  explicit ChatService(const ChatOptions& options);
  ~ChatService();  // after leaveLoops() has reported, or before any loop ran

  // ---- callbacks of the server, each in its loop ----

  void onLoop(muduo::net::EventLoop* loop);  // ThreadInitCallback
  void onConnection(const wsmuduo::WebSocketConnectionPtr& webSocket);
  void onMessage(const wsmuduo::WebSocketConnectionPtr& webSocket, const muduo::StringPiece& data, bool isText,
                 muduo::Timestamp receiveTime);

  // ---- the end ----

  // Cancels every answer and takes libcurl out of all loops; `done` is called in one of them. No chat is possible
  // from here on.
  void leaveLoops(std::function<void()> done);

 private:
  struct Loop;  // what belongs to one event loop, used in its thread only

  Loop* loopOf(muduo::net::EventLoop* loop);

  const ChatOptions options_;
  SessionStore sessions_;
  std::mutex mutex_;  // guards loops_
  std::map<muduo::net::EventLoop*, std::unique_ptr<Loop>> loops_;  // the map, not what is in it
};

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_SERVICE_H
