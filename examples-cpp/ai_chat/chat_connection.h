// One WebSocket of the chat: its questions, and the answers that it reads, each at the browser's pace. Lives in the
// connection's loop. Answers outlive it: a lost connection stops nothing.
#ifndef AI_CHAT_CHAT_CONNECTION_H
#define AI_CHAT_CHAT_CONNECTION_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "answer_log.h"
#include "muduo_ws/WebSocketConnection.h"
#include "run.h"
#include "wire.h"

namespace ai_chat {

class ChatService;

class ChatConnection : public std::enable_shared_from_this<ChatConnection>, muduo::noncopyable {
 public:
  // Both outlive it.
  ChatConnection(const wsmuduo::WebSocketConnectionPtr& webSocket, const Run::Context& context, ChatService* service);
  ~ChatConnection();

  // Once, when it is made.
  void open();
  void onMessage(std::string_view data, bool isText);
  // Sends the answer, from the message behind `after` on.
  void watch(const std::shared_ptr<AnswerLog>& log, std::uint64_t after);
  // The same from the beginning, unless it is sent already.
  void watchOnce(const std::shared_ptr<AnswerLog>& log);
  // No more of the answers in that room.
  void unwatch(const Scope& scope);
  // The browser is gone. Nothing is sent from here on.
  void shutDown();

  // Any thread.
  muduo::net::EventLoop* loop() const { return context_.loop; }

 private:
  class AnswerReader;
  using Readers = std::unordered_map<AnswerId, std::shared_ptr<AnswerReader>, AnswerIdHash>;

  void on(ChatCommand& command);
  void on(StopCommand& command);
  void on(ResumeCommand& command);
  void on(HistoryCommand& command);
  void on(PingCommand& command);
  void on(BadCommand& command);
  template <typename PeopleCommand>
  void on(PeopleCommand& command);

  bool isTooFast();
  bool mayAskIn(const Scope& scope, const std::string& requestId);
  void refuse(const char* code, const std::string& why, bool retryable, const std::string& requestId);
  void stop(const AnswerId& id);
  void watchPressure();
  void pump(const std::shared_ptr<AnswerReader>& reader);
  void pumpAll();
  bool send(std::string_view json);

  const std::weak_ptr<wsmuduo::WebSocketConnection> webSocket_;
  const Run::Context& context_;
  ChatService* const service_;
  bool over_ = false;
  bool isBehind_ = false;  // the browser reads more slowly than there is to read
  Readers readers_;
  std::unordered_set<AnswerId, AnswerIdHash> asked_;  // here, and not done

  muduo::Timestamp second_;  // in which these commands came
  std::size_t commands_ = 0;
};

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_CONNECTION_H
