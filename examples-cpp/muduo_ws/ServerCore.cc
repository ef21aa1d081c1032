#include "muduo_ws/ServerCore.h"

#include <limits.h>
#include <math.h>

#include <stdexcept>

namespace wsmuduo {
namespace detail {

namespace {

/// Above what send() lets through, for pongs and the close frame.
const size_t kControlRoom = 64 * 1024;

void require(bool isValid, const std::string& problem) {
  if (!isValid) throw std::invalid_argument("wsmuduo::WebSocketServer::Options: " + problem);
}

void requireOk(ws_status status, const std::string& option) { require(status == WS_OK, option + ": " + ws_strerror(status)); }

bool isDuration(double seconds) { return seconds >= 0 && seconds <= 86400 * 365; }

struct ConfigDeleter {
  void operator()(ws_config* config) const { ws_config_free(config); }
};

ws_config* newConfig(const WebSocketServer::Options& options) {
  const std::string intLimit = " must be at most INT_MAX, since Muduo's lengths are int";
  require(options.maxMessageSize <= static_cast<uint64_t>(INT_MAX), "maxMessageSize" + intLimit);
  require(options.maxFrameSize <= static_cast<uint64_t>(INT_MAX), "maxFrameSize" + intLimit);
  require(options.maxBufferedAmount <= static_cast<size_t>(INT_MAX), "maxBufferedAmount" + intLimit);
  require(isDuration(options.handshakeTimeoutSeconds), "handshakeTimeoutSeconds must be 0 or more");
  require(isDuration(options.writeStallSeconds), "writeStallSeconds must be 0 or more");
  require(isDuration(options.closeTimeoutSeconds) && options.closeTimeoutSeconds > 0, "closeTimeoutSeconds must be above 0");
  require(isDuration(options.lingerSeconds) && options.lingerSeconds > 0, "lingerSeconds must be above 0");

  std::unique_ptr<ws_config, ConfigDeleter> config(ws_config_new());
  require(config != nullptr, "the engine could not make a config");
  requireOk(ws_config_set_manual_accept(config.get(), 1), "manual accept");
  requireOk(ws_config_set_max_head_size(config.get(), options.maxHeadSize), "maxHeadSize");
  requireOk(ws_config_set_max_headers(config.get(), options.maxHeaders), "maxHeaders");
  requireOk(ws_config_set_max_frame_size(config.get(), options.maxFrameSize), "maxFrameSize");
  requireOk(ws_config_set_max_message_size(config.get(), options.maxMessageSize), "maxMessageSize");
  requireOk(ws_config_set_max_queued_bytes(config.get(), options.maxBufferedAmount + kControlRoom), "maxBufferedAmount");

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

}  // namespace

ServerCore::ServerCore(const WebSocketServer::Options& options) : options_(options), config_(newConfig(options)), sockets_(0) {}

ServerCore::~ServerCore() { ws_config_free(config_); }

std::shared_ptr<const Route> ServerCore::findRoute(const std::string& path) const {
  const std::map<std::string, std::shared_ptr<const Route>>::const_iterator it = routes_.find(path);
  return it == routes_.end() ? std::shared_ptr<const Route>() : it->second;
}

void ServerCore::add(const WebSocketConnectionPtr& connection) {
  std::lock_guard<std::mutex> lock(mutex_);
  connections_[connection.get()] = connection;
}

void ServerCore::remove(const WebSocketConnectionPtr& connection) {
  std::lock_guard<std::mutex> lock(mutex_);
  connections_.erase(connection.get());
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
