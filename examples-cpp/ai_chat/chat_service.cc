#include "chat_service.h"

#include <muduo/net/EventLoop.h>

#include <random>
#include <string_view>
#include <utility>

#include "log.h"
#include "room_posts.h"
#include "wire.h"

namespace ai_chat {

namespace {

constexpr double kTickSeconds = 1;
constexpr double kDrainLookSeconds = 0.1;
constexpr double kCutSeconds = 1;  // for readers to get the error of an answer that was cut

std::string randomPrefix() {
  std::random_device random;
  constexpr char kHex[] = "0123456789abcdef";
  std::string prefix = "r-";
  for (int i = 0; i < 16; ++i) prefix += kHex[random() % 16];
  return prefix + "-";
}

}  // namespace

struct ChatService::Loop {
  Loop(muduo::net::EventLoop* loop, ChatService* service)
      : curl(std::make_unique<CurlLoop>(loop)),
        context{loop, curl.get(), service->server_, service->store_, &service->options_, service->metrics_} {}

  std::unique_ptr<CurlLoop> curl;  // null once the service has left the loop
  const Run::Context context;
  std::unordered_map<const wsmuduo::WebSocketConnection*, std::shared_ptr<ChatConnection>> chats;
};

ChatService::ChatService(const ChatOptions& options, muduo::net::EventLoop* baseLoop, Store* store, ChatMetrics* metrics)
    : options_(options),
      baseLoop_(baseLoop),
      store_(store),
      metrics_(metrics),
      runs_(options_, metrics),
      idPrefix_(randomPrefix()) {}

ChatService::~ChatService() = default;

void ChatService::attach(wsmuduo::WebSocketServer* server) {
  server_ = server;
  People::Callbacks callbacks;
  callbacks.onJoined = [this](const auto& webSocket, const std::string& room, const RoomState& state) {
    onJoined(webSocket, room, state);
  };
  callbacks.onLeft = [this](const auto& webSocket, const std::string& room) {
    if (const auto chat = chatOf(webSocket)) chat->unwatch(Scope::room(room));
  };
  people_ = std::make_unique<People>(server, store_, baseLoop_, People::Settings{options_.node, options_.userHeader},
                                     callbacks, metrics_);
  store_->start(baseLoop_, this);
  baseLoop_->runEvery(kTickSeconds, [this] { runs_.tick(); });
}

// ---- the server's callbacks ----

void ChatService::onLoop(muduo::net::EventLoop* loop) {
  auto state = std::make_unique<Loop>(loop, this);
  const std::lock_guard<std::mutex> lock(mutex_);
  loops_.emplace(loop, std::move(state));
}

ChatService::Loop* ChatService::loopOf(muduo::net::EventLoop* loop) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return loops_.at(loop).get();
}

void ChatService::onConnection(const wsmuduo::WebSocketConnectionPtr& webSocket) {
  Loop* loop = loopOf(webSocket->getLoop());
  if (webSocket->connected()) {
    if (!loop->curl) {
      webSocket->close(1001, "server is shutting down");
      return;
    }
    const auto chat = std::make_shared<ChatConnection>(webSocket, loop->context, this);
    loop->chats.emplace(webSocket.get(), chat);
    chat->open();
    people_->onConnection(webSocket);
  } else {
    people_->onClose(webSocket);
    const auto found = loop->chats.find(webSocket.get());
    if (found == loop->chats.end()) return;
    found->second->shutDown();
    loop->chats.erase(found);
  }
}

void ChatService::onMessage(const wsmuduo::WebSocketConnectionPtr& webSocket, const muduo::StringPiece& data,
                            bool isText, muduo::Timestamp) {
  const std::shared_ptr<ChatConnection> chat = chatOf(webSocket);  // the message may end it
  if (chat) chat->onMessage(std::string_view(data.data(), static_cast<std::size_t>(data.size())), isText);
}

// In the connection's loop.
std::shared_ptr<ChatConnection> ChatService::chatOf(const wsmuduo::WebSocketConnectionPtr& webSocket) {
  Loop* loop = loopOf(webSocket->getLoop());
  const auto found = loop->chats.find(webSocket.get());
  return found == loop->chats.end() ? nullptr : found->second;
}

// ---- for connections ----

std::string ChatService::newRequestId() { return idPrefix_ + std::to_string(++nextId_); }

std::string ChatService::serviceMessage() const { return encodeService(options_.node, store_->name(), store_->degraded()); }

std::shared_ptr<AnswerLog> ChatService::findOrFollow(const AnswerId& id, muduo::net::EventLoop* loop) {
  if (auto known = runs_.find(id)) return known;
  const auto copy = std::make_shared<AnswerLog>(id);
  const std::shared_ptr<AnswerLog> kept = runs_.keep(copy);
  if (kept != copy) return kept;  // somebody was faster
  store_->follow(copy, loop, [this, copy](Store::Found found) {
    if (found == Store::Found::kFound) return;
    runs_.forget(copy);
    refuseUnknown(copy.get(), found);
  });
  return copy;
}

// ---- rooms ----

void ChatService::askedInRoom(const Question& question, const std::shared_ptr<AnswerLog>& log) {
  Post post;
  post.from = question.from;
  post.room = question.id.scope.name;
  post.text = question.text;
  post.requestId = question.id.requestId;
  postInRoom(store_, baseLoop_, RoomPost::kQuestion, post);
  watchInRoom(post.room, log);
}

void ChatService::onRoomAnswer(const std::string& room, const std::string& requestId) {
  watchInRoom(room, findOrFollow({Scope::room(room), requestId}, baseLoop_));
}

void ChatService::watchInRoom(const std::string& room, const std::shared_ptr<AnswerLog>& log) {
  for (const auto& webSocket : people_->connectionsIn(room)) {
    webSocket->getLoop()->queueInLoop([this, webSocket, log] {
      if (const auto chat = chatOf(webSocket)) chat->watchOnce(log);
    });
  }
}

void ChatService::onJoined(const wsmuduo::WebSocketConnectionPtr& webSocket, const std::string& room,
                           const RoomState& state) {
  const std::shared_ptr<ChatConnection> chat = chatOf(webSocket);
  if (!chat) return;
  for (const RoomState::Answer& answer : state.answers) {
    chat->watchOnce(findOrFollow({Scope::room(room), answer.requestId}, webSocket->getLoop()));
  }
  // What waits here for its turn may not have been announced yet.
  for (const auto& log : runs_.underWayIn(Scope::room(room))) chat->watchOnce(log);
}

void ChatService::onDegraded(bool degraded) {
  people_->onDegraded(degraded);
  metrics_->storeDegraded = degraded;
  Log(degraded ? Log::kWarning : Log::kInfo, degraded ? "store_lost" : "store_back").add("store", store_->name());
  const auto message = wsmuduo::PreparedMessage::text(serviceMessage());
  for (const auto& webSocket : server_->connections()) webSocket->sendPrepared(message);
}

// ---- the end ----

void ChatService::drain(double seconds, std::function<void()> done) {
  runs_.drain();
  waitUntilDrained(muduo::addTime(muduo::Timestamp::now(), seconds), /*cut=*/false, done);
}

void ChatService::waitUntilDrained(muduo::Timestamp until, bool cut, const std::function<void()>& done) {
  if (runs_.isDrained()) return done();
  if (until < muduo::Timestamp::now()) {
    if (cut) return done();
    Log(Log::kWarning, "answers_cut").add("answers", static_cast<std::uint64_t>(runs_.underWay()));
    runs_.cut();
    cut = true;
    until = muduo::addTime(muduo::Timestamp::now(), kCutSeconds);
  }
  baseLoop_->runAfter(kDrainLookSeconds, [this, until, cut, done] { waitUntilDrained(until, cut, done); });
}

void ChatService::leaveLoops(std::function<void()> done) {
  std::vector<std::pair<muduo::net::EventLoop*, Loop*>> loops;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& one : loops_) loops.emplace_back(one.first, one.second.get());
  }
  const auto left = std::make_shared<std::atomic<std::size_t>>(loops.size());
  for (const auto& [loop, state] : loops) {
    loop->queueInLoop([this, loop = loop, state = state, left, done] {
      for (const auto& chat : state->chats) chat.second->shutDown();
      state->chats.clear();
      runs_.leave(loop);
      state->curl.reset();
      if (--*left == 0) done();
    });
  }
}

}  // namespace ai_chat
