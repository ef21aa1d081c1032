// Hub: rooms and people on top of a WebSocketServer: broadcast to a room or to everybody, messages to a user with several
// connections, and who is there.
//
//   wsmuduo::Hub hub(&ws);                                    // before the first connection, behind the WebSocketServer
//   hub.signIn(conn, "ann");                                  // in the connection callback, say
//   hub.join(conn, "lobby");
//   hub.broadcast("lobby", "hello, everybody");               // from any thread
//   hub.sendToUser("ann", "hello, on all your devices");
//
// A message is encoded once, and each loop that has recipients is woken once, whatever their number. No lock is held while
// it is sent. Who is gone has left everything.

#ifndef MUDUO_WS_HUB_H
#define MUDUO_WS_HUB_H

#include "muduo_ws/WebSocketServer.h"

#include <string>
#include <vector>

namespace wsmuduo {

namespace detail {
class HubCore;
}

class Hub : muduo::noncopyable {
 public:
  /// What becomes of a recipient for whose queue a broadcast is too much (WebSocketServer::Options::maxBufferedAmount).
  enum SlowPolicy {
    kCloseSlow,  ///< it is closed with 1013 (default): its client reconnects, and knows that it missed something
    kSkipSlow    ///< it does not get the message
  };

  /// `room`: the room that the user has come to or left, with the first or last of its connections; empty: has come online
  /// or gone offline. Called in some loop, one call at a time, in the order in which it happened.
  typedef std::function<void(const std::string& user, const std::string& room, bool isPresent)> PresenceCallback;

  explicit Hub(WebSocketServer* server, SlowPolicy slowPolicy = kCloseSlow);
  /// When the loops have ended.
  ~Hub();

  /// Before the first connection.
  void setPresenceCallback(const PresenceCallback& callback);

  // ---- any thread; calls of one thread take effect in their order, with its sends ----

  /// From now on the connection is in the room; any name but an empty one. False: it is gone. Twice is once.
  bool join(const WebSocketConnectionPtr& conn, const std::string& room);
  void leave(const WebSocketConnectionPtr& conn, const std::string& room);
  /// Says whose connection it is, instead of whom it was told before; an empty name: nobody's. False: it is gone. The hub
  /// believes it: check who it is in the handshake.
  bool signIn(const WebSocketConnectionPtr& conn, const std::string& user);

  /// To every connection in the room, but `except`. False when the message is not valid (text that is not UTF-8) or the
  /// room is empty.
  bool broadcast(const std::string& room, const PreparedMessage& message,
                 const WebSocketConnectionPtr& except = WebSocketConnectionPtr());
  bool broadcast(const std::string& room, const muduo::StringPiece& text,
                 const WebSocketConnectionPtr& except = WebSocketConnectionPtr()) {
    return broadcast(room, PreparedMessage::text(text), except);
  }
  /// To every open WebSocket of the server.
  bool broadcastToAll(const PreparedMessage& message, const WebSocketConnectionPtr& except = WebSocketConnectionPtr());
  /// To every connection of the user. False when there is none.
  bool sendToUser(const std::string& user, const PreparedMessage& message);
  bool sendToUser(const std::string& user, const muduo::StringPiece& text) {
    return sendToUser(user, PreparedMessage::text(text));
  }

  // ---- any thread: who is there at this moment ----

  bool isOnline(const std::string& user) const;
  /// Users who are online, in the order of their names.
  std::vector<std::string> users() const;
  /// Users who are in the room.
  std::vector<std::string> usersIn(const std::string& room) const;
  /// Connections in the room, those who are nobody's too.
  size_t connectionsIn(const std::string& room) const;

 private:
  const std::shared_ptr<detail::HubCore> core_;
};

}  // namespace wsmuduo

#endif  // MUDUO_WS_HUB_H
