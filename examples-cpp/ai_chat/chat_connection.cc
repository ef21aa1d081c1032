#include "chat_connection.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <cassert>
#include <utility>
#include <variant>
#include <vector>

namespace ai_chat {

ChatConnection::ChatConnection(const wsmuduo::WebSocketConnectionPtr& webSocket, CurlLoop* curl,
                               const ChatOptions& options, SessionStore* sessions, ChatMetrics* metrics,
                               const std::atomic<bool>* draining)
    : webSocket_(webSocket), name_(webSocket->name()), curl_(curl), options_(options), sessions_(sessions),
      metrics_(metrics), draining_(draining) {}

// ---- the browser speaks ----

void ChatConnection::onMessage(std::string_view data, bool isText) {
  if (over_) return;
  if (!isText) {
    refuse("bad_request", "binary messages are not understood: send JSON as text");
    return;
  }
  Command command = decodeCommand(data);
  if (auto* chat = std::get_if<ChatCommand>(&command)) {
    onChat(std::move(*chat));
  } else if (std::holds_alternative<StopCommand>(command)) {
    onStop();
  } else {
    refuse("bad_request", std::get<BadCommand>(command).why);
  }
}

void ChatConnection::onChat(ChatCommand command) {
  if (answering()) {
    refuse("busy", "an answer is under way: stop it or wait for its end");
    return;
  }
  if (*draining_) {
    refuse("shutting_down", "the server is about to end");
    return;
  }
  if (command.message.size() > options_.maxMessageBytes) {
    refuse("message_too_long", "the message has " + std::to_string(command.message.size()) + " bytes, the limit is " +
                                   std::to_string(options_.maxMessageBytes));
    return;
  }
  ++metrics_->questions;
  ++metrics_->answersUnderWay;
  question_ = std::move(command);
  answerBytes_ = 0;
  begun_ = muduo::Timestamp::now();

  std::vector<Turn> turns = sessions_->history(question_.sessionId);
  turns.push_back({Turn::Role::kUser, question_.message});
  const std::weak_ptr<ChatConnection> weak = weak_from_this();
  request_ = UpstreamRequest::start(
      curl_, options_.upstream, turns,
      [weak](std::string_view text) {
        if (const auto self = weak.lock()) self->onText(text);
      },
      [weak](const UpstreamResult& result) {
        if (const auto self = weak.lock()) self->onEnd(result);
      });
  if (isBehind_) request_->pause();
}

void ChatConnection::onStop() {
  if (!answering()) return;  // it crossed the end of the answer, which has been sent
  cancelAnswer();
  finishAnswer("stopped");
  send(encodeStream("", /*done=*/true));
}

void ChatConnection::shutDown() {
  over_ = true;
  if (!answering()) return;
  cancelAnswer();
  finishAnswer("interrupted");
}

// An error that ends no answer. Without one under way the browser is told that there is none: it may wait for one.
void ChatConnection::refuse(std::string_view code, const std::string& why) {
  LOG_DEBUG << name_ << ": " << std::string(code);
  send(encodeError(code, why));
  if (!answering()) send(encodeStream("", /*done=*/true));
}

// ---- the model speaks ----

void ChatConnection::onText(std::string_view text) {
  answerBytes_ += text.size();
  if (answer_.size() < options_.store.bytes) answer_.append(text);
  send(encodeStream(text, /*done=*/false));
}

void ChatConnection::onEnd(const UpstreamResult& result) {
  if (result.errorCode.empty()) {
    finishAnswer("complete");
  } else {
    LOG_WARN << name_ << ": " << result.errorCode << ": " << result.detail;
    finishAnswer("failed");
    send(encodeError(result.errorCode, result.message));
  }
  send(encodeStream("", /*done=*/true));
}

void ChatConnection::cancelAnswer() { request_->cancel(); }

void ChatConnection::finishAnswer(const char* how) {
  assert(answering());
  request_.reset();
  --metrics_->answersUnderWay;
  metrics_->answers.add(how);
  metrics_->answerTime.observe(muduo::timeDifference(muduo::Timestamp::now(), begun_));
  sessions_->add(question_.sessionId, question_.message, answer_);
  LOG_INFO << name_ << ": answer " << how << ", " << answerBytes_ << " bytes in "
           << muduo::timeDifference(muduo::Timestamp::now(), begun_) << " s";
  question_ = ChatCommand();
  answer_ = std::string();
}

// ---- sending ----

void ChatConnection::send(const std::string& json) {
  if (over_) return;
  const auto webSocket = webSocket_.lock();
  if (!webSocket || webSocket->send(json)) return;
  // Closing, or so far behind that its queue is full: the model's work would be for nobody.
  shutDown();
  if (isBehind_) webSocket->forceClose();
}

// A browser that reads slowly slows the model down, instead of filling the server's memory. One that takes nothing at all is
// dropped by the WebSocket's own deadline (WebSocketServer::Options::writeStallSeconds), which ends in shutDown().
void ChatConnection::watchPressure() {
  const auto webSocket = webSocket_.lock();
  webSocket->setHighWaterMarkCallback([weak = weak_from_this()](const wsmuduo::WebSocketConnectionPtr&, std::size_t) {
    const auto self = weak.lock();
    if (!self) return;
    self->isBehind_ = true;
    if (self->answering()) self->request_->pause();
  });
  webSocket->setWritableCallback([weak = weak_from_this()](const wsmuduo::WebSocketConnectionPtr&) {
    const auto self = weak.lock();
    if (!self) return;
    self->isBehind_ = false;
    if (self->answering()) self->request_->resume();
  });
}

}  // namespace ai_chat
