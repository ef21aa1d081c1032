#include "muduo_ws/Hub.h"

#include "muduo_ws/HubCore.h"

namespace wsmuduo {

using detail::HubCore;

Hub::Hub(WebSocketServer* server, SlowPolicy slowPolicy) : core_(std::make_shared<HubCore>(slowPolicy)) {
  HubCore::observe(server, core_);
}

Hub::~Hub() {}

void Hub::setPresenceCallback(const PresenceCallback& callback) { core_->setPresenceCallback(callback); }

bool Hub::join(const WebSocketConnectionPtr& conn, const std::string& room) {
  return core_->join(conn, HubCore::room(room));
}

void Hub::leave(const WebSocketConnectionPtr& conn, const std::string& room) { core_->leave(conn, HubCore::room(room)); }

bool Hub::signIn(const WebSocketConnectionPtr& conn, const std::string& user) { return core_->signIn(conn, user); }

bool Hub::broadcast(const std::string& room, const PreparedMessage& message, const WebSocketConnectionPtr& except) {
  return core_->send(HubCore::room(room), message, except);
}

bool Hub::broadcastToAll(const PreparedMessage& message, const WebSocketConnectionPtr& except) {
  return core_->send(HubCore::everybody(), message, except);
}

bool Hub::sendToUser(const std::string& user, const PreparedMessage& message) {
  return core_->send(HubCore::user(user), message, WebSocketConnectionPtr());
}

bool Hub::isOnline(const std::string& user) const { return core_->isIn(user, std::string()); }
std::vector<std::string> Hub::users() const { return core_->usersIn(std::string()); }
std::vector<std::string> Hub::usersIn(const std::string& room) const { return core_->usersIn(room); }
size_t Hub::connectionsIn(const std::string& room) const { return core_->count(HubCore::room(room)); }

}  // namespace wsmuduo
