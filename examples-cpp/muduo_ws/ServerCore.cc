#include "muduo_ws/ServerCore.h"

#include <limits.h>

#include <algorithm>
#include <stdexcept>

namespace wsmuduo {
namespace detail {

namespace {

/// Above what send() lets through, for pongs and the close frame.
const size_t kControlRoom = 64 * 1024;
/// For input behind a message that is not complete, and for what is held back.
const size_t kInputRoom = 4 * 1024 * 1024;

void require(bool isValid, const std::string& problem) {
  if (!isValid) throw std::invalid_argument("wsmuduo::WebSocketServer::Options: " + problem);
}

void requireOk(ws_status status, const std::string& option) { require(status == WS_OK, option + ": " + ws_strerror(status)); }

/// Seconds as the engine's milliseconds; 0 is never.
uint32_t toMs(double seconds, const char* option) {
  const double kSevenDays = 7 * 86400;
  require(seconds >= 0 && seconds <= kSevenDays, std::string(option) + " must be 0 (never) to 604800 seconds");
  return seconds > 0 ? std::max<uint32_t>(static_cast<uint32_t>(seconds * 1000), 1) : 0;
}

struct ConfigDeleter {
  void operator()(ws_config* config) const { ws_config_free(config); }
};

ws_config* newConfig(const WebSocketServer::Options& options) {
  const std::string intLimit = " must be at most INT_MAX, since Muduo's lengths are int";
  require(options.maxMessageSize <= static_cast<uint64_t>(INT_MAX), "maxMessageSize" + intLimit);
  require(options.maxFrameSize <= static_cast<uint64_t>(INT_MAX), "maxFrameSize" + intLimit);
  require(options.maxBufferedAmount <= static_cast<size_t>(INT_MAX), "maxBufferedAmount" + intLimit);
  require(options.lowWaterMark < options.highWaterMark, "lowWaterMark must be below highWaterMark");
  require(options.highWaterMark <= options.maxBufferedAmount, "highWaterMark must be at most maxBufferedAmount");
  toMs(options.writeStallSeconds, "writeStallSeconds");

  std::unique_ptr<ws_config, ConfigDeleter> config(ws_config_new());
  require(config != nullptr, "the engine could not make a config");
  requireOk(ws_config_set_manual_accept(config.get(), 1), "manual accept");
  requireOk(ws_config_set_max_head_size(config.get(), options.maxHeadSize), "maxHeadSize");
  requireOk(ws_config_set_max_headers(config.get(), options.maxHeaders), "maxHeaders");
  requireOk(ws_config_set_max_frame_size(config.get(), options.maxFrameSize), "maxFrameSize");
  requireOk(ws_config_set_max_message_size(config.get(), options.maxMessageSize), "maxMessageSize");
  requireOk(ws_config_set_max_queued_bytes(config.get(), options.maxBufferedAmount + kControlRoom), "maxBufferedAmount");
  requireOk(ws_config_set_water_marks(config.get(), options.lowWaterMark, options.highWaterMark), "water marks");
  const uint64_t held = options.maxBufferedAmount + options.maxMessageSize + kInputRoom;
  requireOk(ws_config_set_max_connection_bytes(config.get(), static_cast<size_t>(held)), "maxBufferedAmount");
  requireOk(ws_config_set_compression(config.get(), options.compression ? 1 : 0), "compression");

  const uint32_t handshake = toMs(options.handshakeTimeoutSeconds, "handshakeTimeoutSeconds");
  requireOk(ws_config_set_handshake_timeout(config.get(), handshake), "handshakeTimeoutSeconds");
  requireOk(ws_config_set_ping_interval(config.get(), toMs(options.pingIntervalSeconds, "pingIntervalSeconds")), "pings");
  requireOk(ws_config_set_pong_timeout(config.get(), toMs(options.pongTimeoutSeconds, "pongTimeoutSeconds")), "pongs");
  requireOk(ws_config_set_idle_timeout(config.get(), toMs(options.idleTimeoutSeconds, "idleTimeoutSeconds")), "idle");
  requireOk(ws_config_set_close_timeout(config.get(), toMs(options.closeTimeoutSeconds, "closeTimeoutSeconds")), "close");
  requireOk(ws_config_set_max_lifetime(config.get(), toMs(options.maxLifetimeSeconds, "maxLifetimeSeconds")), "lifetime");
  require(options.tokenMergeSeconds >= 0 && options.tokenMergeSeconds <= 10, "tokenMergeSeconds must be 0 (each write) to 10");
  const uint32_t merge = toMs(options.tokenMergeSeconds, "tokenMergeSeconds");
  requireOk(ws_config_set_stream_merge_time(config.get(), merge), "tokenMergeSeconds");
  // What waits in Muduo's buffer and in the kernel's the engine cannot see: Session looks at a stall itself.
  requireOk(ws_config_set_write_stall_timeout(config.get(), 0), "writeStallSeconds");

  require(options.originPolicy != WebSocketServer::kAllowList || !options.allowedOrigins.empty(),
          "originPolicy is kAllowList, but allowedOrigins is empty");
  require(options.originPolicy != WebSocketServer::kAnyOrigin || options.allowedOrigins.empty(),
          "originPolicy is kAnyOrigin, but allowedOrigins names some");
  if (options.allowedOrigins.empty()) {
    const int policy = options.originPolicy == WebSocketServer::kAnyOrigin ? WS_ORIGIN_ANY : WS_ORIGIN_SAME_HOST;
    requireOk(ws_config_set_origin_policy(config.get(), policy), "originPolicy");
  }
  for (const std::string& origin : options.allowedOrigins) {
    requireOk(ws_config_allow_origin(config.get(), origin.c_str()), "allowedOrigins: \"" + origin + "\"");
  }
  for (const std::string& name : options.subprotocols) {
    requireOk(ws_config_add_subprotocol(config.get(), name.c_str()), "subprotocols: \"" + name + "\"");
  }
  return config.release();
}

/// Often enough that no deadline is much exceeded, and once a second at the most rarely.
uint64_t lookEvery(const WebSocketServer::Options& options) {
  double seconds = 1;
  for (double deadline : {options.handshakeTimeoutSeconds, options.writeStallSeconds}) {
    if (deadline > 0) seconds = std::min(seconds, std::max(deadline / 8, 0.02));
  }
  return static_cast<uint64_t>(seconds * 1000);
}

}  // namespace

ServerCore::ServerCore(const WebSocketServer::Options& options)
    : options_(options),
      config_(newConfig(options)),
      lookEveryMs_(lookEvery(options)),
      sockets_(0),
      isStopping_(false) {}

ServerCore::~ServerCore() { ws_config_free(config_); }

WebSocketRoute& ServerCore::route(const std::string& path) {
  std::unique_ptr<WebSocketRoute>& route = routes_[path];
  if (!route) route.reset(new WebSocketRoute);
  return *route;
}

std::shared_ptr<const Callbacks> ServerCore::findRoute(const std::string& path) const {
  const auto exact = routes_.find(path);
  if (exact != routes_.end() && (path.empty() || *path.rbegin() != '*')) return exact->second->callbacks_;
  const WebSocketRoute* best = NULL;
  size_t bestLen = 0;
  for (const auto& item : routes_) {
    const std::string& pattern = item.first;
    if (pattern.empty() || *pattern.rbegin() != '*') continue;
    const size_t len = pattern.size() - 1;
    if (path.compare(0, len, pattern, 0, len) != 0 || (best != NULL && len < bestLen)) continue;
    best = item.second.get();
    bestLen = len;
  }
  return best == NULL ? std::shared_ptr<const Callbacks>() : best->callbacks_;
}

void ServerCore::add(const WebSocketConnectionPtr& connection) {
  std::lock_guard<std::mutex> lock(mutex_);
  connections_[connection.get()] = connection;
}

void ServerCore::remove(WebSocketConnection* connection) {
  std::lock_guard<std::mutex> lock(mutex_);
  connections_.erase(connection);
}

std::vector<WebSocketConnectionPtr> ServerCore::connections() const {
  std::vector<WebSocketConnectionPtr> open;
  std::lock_guard<std::mutex> lock(mutex_);
  open.reserve(connections_.size());
  for (const auto& entry : connections_) {
    if (WebSocketConnectionPtr connection = entry.second.lock()) open.push_back(std::move(connection));
  }
  return open;
}

}  // namespace detail
}  // namespace wsmuduo
