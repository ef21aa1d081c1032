#include "muduo_ws/WebSocketServer.h"

#include "muduo_ws/Callbacks.h"
#include "muduo_ws/LoopState.h"
#include "muduo_ws/ParsedRequest.h"
#include "muduo_ws/ServerCore.h"
#include "muduo_ws/StreamCore.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <algorithm>
#include <atomic>
#include <map>

namespace wsmuduo {

namespace {

const size_t kMiB = 1024 * 1024;
const size_t kMetricsRoom = 32 * 1024;  // enough as a rule
const double kLookEvery = 0.02;   // while the server ends
const double kLastTurns = 0.05;   // in which the loops pass the last connections to each other and destroy them

std::atomic<uint64_t> g_nextServerId(1);

/// The LoopState that this thread used last. A server's number is never given twice, and a LoopState lives as long as
/// its server: a match is always valid.
struct ThreadCache {
  uint64_t serverId;
  detail::LoopState* state;
};

thread_local ThreadCache t_cache = {0, NULL};

}  // namespace

WebSocketServer::Options::Options()
    : maxHeadSize(8192),
      maxHeaders(64),
      maxFrameSize(kMiB),
      maxMessageSize(kMiB),
      maxBufferedAmount(4 * kMiB),
      highWaterMark(kMiB),
      lowWaterMark(kMiB / 4),
      compression(false),
      originPolicy(kSameHost),
      handshakeTimeoutSeconds(10),
      pingIntervalSeconds(30),
      pongTimeoutSeconds(30),
      idleTimeoutSeconds(0),
      closeTimeoutSeconds(5),
      writeStallSeconds(30),
      maxLifetimeSeconds(0),
      tcpNoDelay(true),
      tokenMergeSeconds(0.04) {}

// ---- routes ----

WebSocketRoute::WebSocketRoute() : callbacks_(std::make_shared<detail::Callbacks>()) {}

WebSocketRoute::~WebSocketRoute() {}

WebSocketRoute& WebSocketRoute::setConnectionCallback(const ConnectionCallback& callback) {
  callbacks_->connection = callback;
  return *this;
}
WebSocketRoute& WebSocketRoute::setMessageCallback(const MessageCallback& callback) {
  callbacks_->message = callback;
  return *this;
}
WebSocketRoute& WebSocketRoute::setChunkCallback(const ChunkCallback& callback) {
  callbacks_->chunk = callback;
  return *this;
}
WebSocketRoute& WebSocketRoute::setPongCallback(const PongCallback& callback) {
  callbacks_->pong = callback;
  return *this;
}
WebSocketRoute& WebSocketRoute::setHighWaterMarkCallback(const HighWaterMarkCallback& callback) {
  callbacks_->highWaterMark = callback;
  return *this;
}
WebSocketRoute& WebSocketRoute::setWritableCallback(const WritableCallback& callback) {
  callbacks_->writable = callback;
  return *this;
}
WebSocketRoute& WebSocketRoute::setWriteCompleteCallback(const WriteCompleteCallback& callback) {
  callbacks_->writeComplete = callback;
  return *this;
}
WebSocketRoute& WebSocketRoute::setHandshakeCallback(const HandshakeCallback& callback) {
  callbacks_->handshake = callback;
  return *this;
}

// ---- the server ----

class WebSocketServer::Impl : muduo::noncopyable, public std::enable_shared_from_this<WebSocketServer::Impl> {
 public:
  explicit Impl(const Options& options)
      : core_(std::make_shared<detail::ServerCore>(options)), id_(g_nextServerId.fetch_add(1)) {}

  const std::shared_ptr<detail::ServerCore>& core() const { return core_; }

  /// The state of the loop that runs in this thread. Held while it is used: a callback may delete the server.
  std::shared_ptr<detail::LoopState> stateOf(const muduo::net::TcpConnectionPtr& conn) { return stateOf(conn->getLoop()); }
  std::shared_ptr<detail::LoopState> stateOf(muduo::net::EventLoop* loop) {
    if (t_cache.serverId != id_) t_cache = ThreadCache{id_, findState(loop)};
    return t_cache.state->shared_from_this();
  }

  /// Runs the task in every loop that has connections.
  void inAllLoops(const std::function<void(detail::LoopState*)>& task) {
    for (const std::shared_ptr<detail::LoopState>& state : states()) {
      const std::weak_ptr<detail::LoopState> weak = state;
      detail::LoopQueue::Item item;
      item.task = [weak, task](detail::Session*) {
        const std::shared_ptr<detail::LoopState> locked = weak.lock();
        if (locked) task(locked.get());
      };
      state->loopEngine()->queue()->post(&item);
    }
  }

  std::vector<std::shared_ptr<detail::LoopState>> states() const {
    std::vector<std::shared_ptr<detail::LoopState>> states;
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& item : states_) states.push_back(item.second);
    return states;
  }

  void drain(muduo::net::EventLoop* loop, double secondsLeft, const std::function<void()>& done) {
    if (core_->socketCount() == 0 || secondsLeft < -1) {
      loop->runAfter(kLastTurns, done);
      return;
    }
    const bool force = secondsLeft <= 0;
    inAllLoops([force](detail::LoopState* state) { state->drain(force); });
    const std::weak_ptr<Impl> weak = shared_from_this();
    loop->runAfter(kLookEvery, [weak, loop, secondsLeft, done]() {
      if (const std::shared_ptr<Impl> impl = weak.lock()) impl->drain(loop, secondsLeft - kLookEvery, done);
    });
  }

 private:
  detail::LoopState* findState(muduo::net::EventLoop* loop) {
    std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<detail::LoopState>& state = states_[detail::numberOfThisThread()];
    if (!state) state = std::make_shared<detail::LoopState>(core_, loop);
    return state.get();
  }

  const std::shared_ptr<detail::ServerCore> core_;
  const uint64_t id_;
  mutable std::mutex mutex_;  // guards states_
  std::map<uint64_t, std::shared_ptr<detail::LoopState>> states_;  // by number of the thread
};

detail::ServerCore* detail::ServerCore::of(WebSocketServer* server) { return server->impl_->core().get(); }

WebSocketServer::WebSocketServer(const Options& options) : impl_(std::make_shared<Impl>(options)) {}

WebSocketServer::~WebSocketServer() {}

WebSocketRoute& WebSocketServer::websocket(const std::string& path) { return impl_->core()->route(path); }

WebSocketRoute& WebSocketServer::websocket(const std::string& path, const MessageCallback& onMessage,
                                           const ConnectionCallback& onConnection) {
  return websocket(path).setMessageCallback(onMessage).setConnectionCallback(onConnection);
}

void WebSocketServer::setHandshakeCallback(const HandshakeCallback& callback) {
  impl_->core()->setHandshakeCallback(callback);
}

bool WebSocketServer::onMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf,
                                muduo::Timestamp receiveTime) {
  return impl_->stateOf(conn)->onMessage(conn, buf, receiveTime);
}

void WebSocketServer::onConnection(const muduo::net::TcpConnectionPtr& conn) {
  const std::shared_ptr<detail::LoopState> state = impl_->stateOf(conn);
  if (conn->connected()) {
    state->onUp(conn);
  } else {
    state->onDown(conn);
  }
}

void WebSocketServer::setSink(const muduo::net::TcpConnectionPtr& conn, const Sink& sink) {
  impl_->stateOf(conn)->setSink(conn, sink);
}

bool WebSocketServer::onUpgradedMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf,
                                        muduo::Timestamp receiveTime) {
  return impl_->stateOf(conn)->onUpgradedMessage(conn, buf, receiveTime);
}

bool WebSocketServer::upgrade(const muduo::net::TcpConnectionPtr& conn, const ParsedRequest& request,
                              muduo::net::Buffer* behind, muduo::Timestamp receiveTime) {
  if (!request.asksForWebSocket()) return false;
  impl_->stateOf(conn)->upgrade(conn, request, behind, receiveTime);
  return true;
}

TokenStreamPtr WebSocketServer::newTokenStream(muduo::net::EventLoop* loop, const std::string& requestId,
                                               const TokenStream::MessageCallback& callback) {
  if (!loop->isInLoopThread()) {
    LOG_ERROR << "WebSocketServer::newTokenStream was called outside of the thread of its loop; the stream takes nothing";
    return detail::StreamCore::makeFinished();
  }
  return detail::StreamCore::make(impl_->stateOf(loop)->loopEngine()->streams(), requestId, callback);
}

// ---- any thread ----

std::vector<WebSocketConnectionPtr> WebSocketServer::connections() const { return impl_->core()->connections(); }

size_t WebSocketServer::socketCount() const { return impl_->core()->socketCount(); }

std::string WebSocketServer::metricsText() const {
  std::vector<std::shared_ptr<const ws_metrics>> copies;
  for (const std::shared_ptr<detail::LoopState>& state : impl_->states()) copies.push_back(state->loopEngine()->metrics());
  std::vector<const ws_metrics*> list;
  for (const std::shared_ptr<const ws_metrics>& copy : copies) list.push_back(copy.get());
  std::string text(kMetricsRoom, '\0');
  size_t len = 0;
  ws_status status = ws_metrics_render(list.data(), list.size(), &text[0], text.size(), &len);
  if (status == WS_ERR_BUFFER_TOO_SMALL) {
    text.resize(len + 1);
    status = ws_metrics_render(list.data(), list.size(), &text[0], text.size(), &len);
  }
  text.resize(status == WS_OK ? len : 0);
  return text;
}

void WebSocketServer::closeAll(uint16_t code, const std::string& reason) {
  for (const WebSocketConnectionPtr& connection : connections()) connection->close(code, reason);
}

void WebSocketServer::stop(muduo::net::EventLoop* loop, double drainSeconds, const std::function<void()>& done) {
  if (!impl_->core()->beginStop()) return;
  const std::shared_ptr<Impl> impl = impl_;
  loop->runInLoop([impl, loop, drainSeconds, done]() {
    impl->inAllLoops([](detail::LoopState* state) { state->stop(); });
    impl->drain(loop, std::max(drainSeconds, kLookEvery), done);  // the loops have the time to say goodbye
  });
}

}  // namespace wsmuduo
