// The chat as a whole: the connections of every loop, one CurlLoop for each loop, and what they share: the store, the
// answers, people and rooms.
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
#include <string>
#include <unordered_map>
#include <vector>

#include "chat_connection.h"
#include "chat_metrics.h"
#include "chat_options.h"
#include "muduo_ws/WebSocketServer.h"
#include "people.h"
#include "runs.h"
#include "store.h"

namespace ai_chat {

class ChatService : private Store::Events, muduo::noncopyable {
 public:
  // All must outlive it. `baseLoop` is the store's, too.
  ChatService(const ChatOptions& options, muduo::net::EventLoop* baseLoop, Store* store, ChatMetrics* metrics);
  ~ChatService() override;  // after leaveLoops() has reported, or before any loop ran

  // Once, before the server starts. Its down callbacks may come until it is destroyed, so it goes first.
  void attach(wsmuduo::WebSocketServer* server);

  // ---- callbacks of the server, each in its loop ----

  void onLoop(muduo::net::EventLoop* loop);  // ThreadInitCallback
  void onConnection(const wsmuduo::WebSocketConnectionPtr& webSocket);
  void onMessage(const wsmuduo::WebSocketConnectionPtr& webSocket, const muduo::StringPiece& data, bool isText,
                 muduo::Timestamp receiveTime);

  // ---- for connections, in their loops ----

  Runs& runs() { return runs_; }
  People& people() { return *people_; }
  std::string newRequestId();
  std::string serviceMessage() const;
  // Somebody has asked in a room: its members see the question, and the answer as it is made.
  void askedInRoom(const Question& question, const std::shared_ptr<AnswerLog>& log);
  // One that is known here, or a copy that fills itself with what another node makes.
  std::shared_ptr<AnswerLog> findOrFollow(const AnswerId& id, muduo::net::EventLoop* loop);

  // ---- any thread ----

  std::size_t answersUnderWay() const { return runs_.underWay(); }

  // ---- the end ----

  // From now on new questions are refused. When the answers under way have been read, or after `seconds`, `done` is called
  // in the base loop; in the base loop's thread.
  void drain(double seconds, std::function<void()> done);
  // Ends every answer and takes libcurl out of all loops; `done` is called in one of them. No chat is possible from here on.
  void leaveLoops(std::function<void()> done);

 private:
  struct Loop;  // what belongs to one event loop, used in its thread only

  Loop* loopOf(muduo::net::EventLoop* loop);
  void waitUntilDrained(muduo::Timestamp until, bool cut, const std::function<void()>& done);
  void watchInRoom(const std::string& room, const std::shared_ptr<AnswerLog>& log);
  void onJoined(const wsmuduo::WebSocketConnectionPtr& webSocket, const std::string& room, const RoomState& state);
  std::shared_ptr<ChatConnection> chatOf(const wsmuduo::WebSocketConnectionPtr& webSocket);

  // Store::Events
  void onDirect(const Post& post) override { people_->onDirect(post); }
  void onRoomPost(const Post& post) override { people_->onRoomPost(post); }
  void onPresence(const std::string& room, const std::string& user, bool online) override {
    people_->onPresence(room, user, online);
  }
  void onRoomAnswer(const std::string& room, const std::string& requestId) override;
  void onStop(const AnswerId& id) override { runs_.stop(id); }
  void onDegraded(bool degraded) override;

  const ChatOptions& options_;
  muduo::net::EventLoop* const baseLoop_;
  wsmuduo::WebSocketServer* server_ = nullptr;
  Store* const store_;
  ChatMetrics* const metrics_;
  Runs runs_;
  std::unique_ptr<People> people_;
  const std::string idPrefix_;  // of the requestIds that this process makes
  std::atomic<std::uint64_t> nextId_{0};

  std::mutex mutex_;  // guards the map, not what is in it
  std::map<muduo::net::EventLoop*, std::unique_ptr<Loop>> loops_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_SERVICE_H
