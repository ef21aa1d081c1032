#include "chat_connection.h"

#include <muduo/net/EventLoop.h>

#include <utility>
#include <variant>
#include <vector>

#include "chat_service.h"
#include "people.h"
#include "runs.h"

namespace ai_chat {

// Wakes the connection in its loop when there is something to send.
class ChatConnection::AnswerReader : public AnswerLog::Reader, public std::enable_shared_from_this<AnswerReader> {
 public:
  AnswerReader(const std::shared_ptr<ChatConnection>& connection, const std::shared_ptr<AnswerLog>& log)
      : connection_(connection), loop_(connection->loop()), log_(log) {}

  const std::shared_ptr<AnswerLog>& log() const { return log_; }

  void onMore() override {
    inLoop([self = shared_from_this()](ChatConnection* connection) { connection->pump(self); });
  }
  void onStatus(const AnswerLog::Message& json) override {
    inLoop([json](ChatConnection* connection) { connection->send(*json); });
  }
  void onRefused(const AnswerLog::Message& error, const AnswerLog::Message& end) override {
    inLoop([id = log_->id(), error, end](ChatConnection* connection) {
      connection->readers_.erase(id);
      connection->asked_.erase(id);
      connection->send(*error);
      connection->send(*end);
    });
  }

 private:
  template <typename Action>
  void inLoop(Action action) {
    loop_->runInLoop([weak = connection_, action] {
      const auto connection = weak.lock();
      if (connection && !connection->over_) action(connection.get());
    });
  }

  const std::weak_ptr<ChatConnection> connection_;
  muduo::net::EventLoop* const loop_;
  const std::shared_ptr<AnswerLog> log_;
};

namespace {

// The refusal of `command`, with all that its sender needs in order to wait no longer.
BadCommand tooFast(const Command& command) {
  BadCommand refused;
  if (const auto* bad = std::get_if<BadCommand>(&command)) refused = *bad;
  if (const auto* chat = std::get_if<ChatCommand>(&command)) {
    refused.requestId = chat->requestId;
    refused.awaitsAnswer = true;
  }
  if (const auto* resume = std::get_if<ResumeCommand>(&command)) {
    refused.requestId = resume->answer.requestId;
    refused.awaitsAnswer = true;
  }
  if (const auto* message = std::get_if<MessageCommand>(&command)) refused.id = message->id;
  refused.code = "too_fast";
  refused.why = "too many messages in one second";
  refused.retryable = true;
  return refused;
}

}  // namespace

ChatConnection::ChatConnection(const wsmuduo::WebSocketConnectionPtr& webSocket, const Run::Context& context,
                               ChatService* service)
    : webSocket_(webSocket), context_(context), service_(service) {}

ChatConnection::~ChatConnection() = default;

void ChatConnection::open() {
  watchPressure();
  send(service_->serviceMessage());
}

// ---- the browser speaks ----

void ChatConnection::onMessage(std::string_view data, bool isText) {
  if (over_) return;
  const bool fast = isTooFast();
  if (!isText) return refuse("bad_request", "binary messages are not understood: send JSON as text", false, std::string());
  Command command = decodeCommand(data);
  if (fast) command = tooFast(command);
  std::visit([this](auto& one) { on(one); }, command);
}

bool ChatConnection::isTooFast() {
  const muduo::Timestamp now = muduo::Timestamp::now();
  if (muduo::timeDifference(now, second_) >= 1) {
    second_ = now;
    commands_ = 0;
  }
  return ++commands_ > context_.options->maxCommands;
}

void ChatConnection::on(ChatCommand& command) {
  if (command.requestId.empty()) command.requestId = service_->newRequestId();
  if (command.message.size() > context_.options->maxMessageBytes) {
    refuse("message_too_long",
           "the message has " + std::to_string(command.message.size()) + " bytes, the limit is " +
               std::to_string(context_.options->maxMessageBytes),
           false, command.requestId);
    return;
  }
  if (!mayAskIn(command.scope, command.requestId)) return;
  // A room's question needs the others; an answer that has begun goes on.
  if (command.scope.kind == Scope::Kind::kRoom && context_.store->degraded() &&
      !service_->runs().find({command.scope, command.requestId})) {
    return refuse("unavailable", "the shared store cannot be reached", true, command.requestId);
  }
  const auto webSocket = webSocket_.lock();
  if (!webSocket) return;
  Question question;
  question.id = {command.scope, command.requestId};
  question.text = std::move(command.message);
  question.from = service_->people().userOf(webSocket);
  question.payer = question.from.empty() ? "connection " + webSocket->name() : "user " + question.from;
  question.regenerate = command.regenerate;

  const Runs::Asked asked = service_->runs().ask(context_, question);
  if (!asked.log) return refuse(asked.code, asked.why, true, command.requestId);
  asked_.insert(question.id);
  watch(asked.log, 0);
  if (asked.isNew && command.scope.kind == Scope::Kind::kRoom) service_->askedInRoom(question, asked.log);
}

// Only who is in a room may ask there, or read and stop its answers.
bool ChatConnection::mayAskIn(const Scope& scope, const std::string& requestId) {
  const auto webSocket = webSocket_.lock();
  if (scope.kind != Scope::Kind::kRoom || (webSocket && service_->people().isIn(webSocket, scope.name))) return true;
  refuse("not_in_room", "join the room first", false, requestId);
  return false;
}

void ChatConnection::on(StopCommand& command) {
  if (command.scope.kind == Scope::Kind::kRoom) {
    const auto webSocket = webSocket_.lock();
    if (!webSocket || !service_->people().isIn(webSocket, command.scope.name)) return;
  }
  if (command.scope.kind != Scope::Kind::kNone && !command.requestId.empty()) {
    stop({command.scope, command.requestId});
    return;
  }
  for (const AnswerId& id : asked_) {
    if (command.requestId.empty() || command.requestId == id.requestId) stop(id);
  }
}

void ChatConnection::stop(const AnswerId& id) {
  if (!service_->runs().stop(id)) context_.store->stopAnswer(id);
}

void ChatConnection::on(ResumeCommand& command) {
  if (!mayAskIn(command.answer.scope, command.answer.requestId)) return;
  ++context_.metrics->resumes;
  watch(service_->findOrFollow(command.answer, context_.loop), command.after);
}

void ChatConnection::on(HistoryCommand& command) {
  context_.store->history(Scope::session(command.sessionId), context_.loop,
                          [weak = weak_from_this(), id = command.sessionId](const std::vector<Exchange>& exchanges) {
                            const auto self = weak.lock();
                            if (self && !self->over_) self->send(encodeHistory(id, exchanges));
                          });
}

void ChatConnection::on(PingCommand& command) { send(encodePong(command.id)); }

void ChatConnection::on(BadCommand& command) {
  send(encodeError({command.code, command.why, command.retryable, command.requestId, command.id}));
  if (command.awaitsAnswer) send(encodeRefused(command.requestId));
}

template <typename PeopleCommand>
void ChatConnection::on(PeopleCommand& command) {
  if (const auto webSocket = webSocket_.lock()) service_->people().onCommand(webSocket, command);
}

void ChatConnection::refuse(const char* code, const std::string& why, bool retryable, const std::string& requestId) {
  send(encodeError({code, why, retryable, requestId}));
  if (!requestId.empty()) send(encodeRefused(requestId));
}

// ---- answers are sent ----

void ChatConnection::watch(const std::shared_ptr<AnswerLog>& log, std::uint64_t after) {
  if (over_) return;
  auto& reader = readers_[log->id()];
  if (reader) reader->log()->removeReader(reader.get());
  reader = std::make_shared<AnswerReader>(shared_from_this(), log);
  log->addReader(std::shared_ptr<AnswerReader>(reader), after);
}

void ChatConnection::watchOnce(const std::shared_ptr<AnswerLog>& log) {
  if (readers_.count(log->id()) == 0) watch(log, 0);
}

void ChatConnection::unwatch(const Scope& scope) {
  for (auto reader = readers_.begin(); reader != readers_.end();) {
    if (!(reader->first.scope == scope)) {
      ++reader;
      continue;
    }
    reader->second->log()->removeReader(reader->second.get());
    asked_.erase(reader->first);
    reader = readers_.erase(reader);
  }
}

void ChatConnection::pump(const std::shared_ptr<AnswerReader>& reader) {
  while (!over_ && !isBehind_) {
    const AnswerLog::Next next = reader->log()->read(reader.get());
    if (!next.json) return;
    if (!send(*next.json)) {
      reader->log()->rewind(reader.get(), next.seq - 1);
      return;
    }
    if (!next.done) continue;
    const AnswerId id = reader->log()->id();
    reader->log()->removeReader(reader.get());
    const auto known = readers_.find(id);
    if (known != readers_.end() && known->second == reader) readers_.erase(known);
    asked_.erase(id);
    return;
  }
}

void ChatConnection::pumpAll() {
  std::vector<std::shared_ptr<AnswerReader>> readers;
  readers.reserve(readers_.size());
  for (const auto& one : readers_) readers.push_back(one.second);
  for (const auto& reader : readers) pump(reader);
}

bool ChatConnection::send(std::string_view json) {
  const auto webSocket = webSocket_.lock();
  if (over_ || !webSocket) return false;
  if (webSocket->send(muduo::StringPiece(json.data(), static_cast<int>(json.size())))) return true;
  // Its queue is full, or it is closing: what is in a log is read again.
  isBehind_ = true;
  return false;
}

// A browser that reads slowly slows the model down, instead of filling the server's memory. One that takes nothing at all is
// dropped by the WebSocket's own deadline (WebSocketServer::Options::writeStallSeconds), which ends in shutDown().
void ChatConnection::watchPressure() {
  const auto webSocket = webSocket_.lock();
  webSocket->setHighWaterMarkCallback([weak = weak_from_this()](const wsmuduo::WebSocketConnectionPtr&, std::size_t) {
    if (const auto self = weak.lock()) self->isBehind_ = true;
  });
  webSocket->setWritableCallback([weak = weak_from_this()](const wsmuduo::WebSocketConnectionPtr&) {
    const auto self = weak.lock();
    if (!self) return;
    self->isBehind_ = false;
    self->pumpAll();
  });
}

void ChatConnection::shutDown() {
  over_ = true;
  for (const auto& [id, reader] : readers_) reader->log()->removeReader(reader.get());
  readers_.clear();
}

}  // namespace ai_chat
