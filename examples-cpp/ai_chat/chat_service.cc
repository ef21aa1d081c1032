#include "chat_service.h"

#include <muduo/net/EventLoop.h>

#include <atomic>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ai_chat {

struct ChatService::Loop {
  explicit Loop(muduo::net::EventLoop* loop) : curl(std::make_unique<CurlLoop>(loop)) {}

  std::unique_ptr<CurlLoop> curl;  // null once the service has left the loop
  std::unordered_map<const wsmuduo::WebSocketConnection*, std::shared_ptr<ChatConnection>> chats;
};

ChatService::ChatService(muduo::net::EventLoop* loop, const ChatOptions& options, ChatMetrics* metrics)
    : base_(loop),
      options_(options),
      metrics_(metrics),
      sessions_({options.store.conversations, options.store.turns, options.store.bytes, options.store.totalBytes}) {}

ChatService::~ChatService() = default;

void ChatService::onLoop(muduo::net::EventLoop* loop) {
  auto state = std::make_unique<Loop>(loop);
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
    const auto chat = std::make_shared<ChatConnection>(webSocket, loop->curl.get(), options_, &sessions_, metrics_,
                                                       &draining_);
    chat->watchPressure();
    loop->chats.emplace(webSocket.get(), chat);
  } else {
    const auto found = loop->chats.find(webSocket.get());
    if (found == loop->chats.end()) return;
    found->second->shutDown();
    loop->chats.erase(found);
  }
}

void ChatService::onMessage(const wsmuduo::WebSocketConnectionPtr& webSocket, const muduo::StringPiece& data,
                            bool isText, muduo::Timestamp) {
  Loop* loop = loopOf(webSocket->getLoop());
  const auto found = loop->chats.find(webSocket.get());
  if (found == loop->chats.end()) return;
  const std::shared_ptr<ChatConnection> chat = found->second;  // the message may end it
  chat->onMessage(std::string_view(data.data(), static_cast<std::size_t>(data.size())), isText);
}

void ChatService::drain(double seconds, std::function<void()> done) {
  draining_ = true;
  const muduo::Timestamp end = muduo::addTime(muduo::Timestamp::now(), seconds);
  base_->queueInLoop([this, end, done = std::move(done)] { waitForAnswers(end, done); });
}

void ChatService::waitForAnswers(muduo::Timestamp end, std::function<void()> done) {
  constexpr double kInterval = 0.02;
  if (metrics_->answersUnderWay == 0 || !(muduo::Timestamp::now() < end)) {
    done();
  } else {
    base_->runAfter(kInterval, [this, end, done = std::move(done)] { waitForAnswers(end, done); });
  }
}

void ChatService::leaveLoops(std::function<void()> done) {
  std::vector<std::pair<muduo::net::EventLoop*, Loop*>> loops;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& one : loops_) loops.emplace_back(one.first, one.second.get());
  }
  const auto left = std::make_shared<std::atomic<std::size_t>>(loops.size());
  for (const auto& [loop, state] : loops) {
    loop->queueInLoop([state = state, left, done] {
      for (const auto& chat : state->chats) chat.second->shutDown();
      state->chats.clear();
      state->curl.reset();
      if (--*left == 0) done();
    });
  }
}

}  // namespace ai_chat
