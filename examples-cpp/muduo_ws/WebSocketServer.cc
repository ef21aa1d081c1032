#include "muduo_ws/WebSocketServer.h"

#include "muduo_ws/LoopState.h"
#include "muduo_ws/ServerCore.h"

#include <atomic>
#include <thread>

namespace wsmuduo {

namespace {

const size_t kMiB = 1024 * 1024;

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
      originPolicy(kSameHost),
      handshakeTimeoutSeconds(10),
      closeTimeoutSeconds(5),
      lingerSeconds(2),
      writeStallSeconds(30),
      tcpNoDelay(true) {}

class WebSocketServer::Impl : muduo::noncopyable {
 public:
  explicit Impl(const Options& options)
      : core_(std::make_shared<detail::ServerCore>(options)), id_(g_nextServerId.fetch_add(1)) {}

  detail::ServerCore& core() const { return *core_; }

  /// The state of the loop that runs in this thread. Held while it is used: a callback may delete the server.
  std::shared_ptr<detail::LoopState> stateOfThisThread() {
    if (t_cache.serverId != id_) t_cache = ThreadCache{id_, findStateOfThisThread()};
    return t_cache.state->shared_from_this();
  }

 private:
  detail::LoopState* findStateOfThisThread() {
    std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<detail::LoopState>& state = states_[std::this_thread::get_id()];
    if (!state) state = std::make_shared<detail::LoopState>(core_);
    return state.get();
  }

  const std::shared_ptr<detail::ServerCore> core_;
  const uint64_t id_;
  std::mutex mutex_;  // guards states_
  std::map<std::thread::id, std::shared_ptr<detail::LoopState>> states_;
};

WebSocketServer::WebSocketServer(const Options& options) : impl_(new Impl(options)) {}

WebSocketServer::~WebSocketServer() {}

void WebSocketServer::websocket(const std::string& path, const MessageCallback& onMessage,
                                const ConnectionCallback& onConnection) {
  impl_->core().addRoute(path, detail::Route{onMessage, onConnection});
}

void WebSocketServer::setHandshakeCallback(const HandshakeCallback& callback) {
  impl_->core().setHandshakeCallback(callback);
}

bool WebSocketServer::onMessage(const muduo::net::TcpConnectionPtr& conn, muduo::net::Buffer* buf,
                                muduo::Timestamp receiveTime) {
  return impl_->stateOfThisThread()->onMessage(conn, buf, receiveTime);
}

void WebSocketServer::onConnection(const muduo::net::TcpConnectionPtr& conn) {
  const std::shared_ptr<detail::LoopState> state = impl_->stateOfThisThread();
  if (conn->connected()) {
    state->onUp(conn);
  } else {
    state->onDown(conn);
  }
}

void WebSocketServer::onWriteComplete(const muduo::net::TcpConnectionPtr& conn) {
  impl_->stateOfThisThread()->onWriteComplete(conn);
}

void WebSocketServer::setSink(const muduo::net::TcpConnectionPtr& conn, const Sink& sink) {
  impl_->stateOfThisThread()->setSink(conn, sink);
}

std::vector<WebSocketConnectionPtr> WebSocketServer::connections() const { return impl_->core().connections(); }

size_t WebSocketServer::socketCount() const { return impl_->core().socketCount(); }

void WebSocketServer::closeAll(uint16_t code, const std::string& reason) {
  for (const WebSocketConnectionPtr& connection : connections()) connection->close(code, reason);
}

}  // namespace wsmuduo
