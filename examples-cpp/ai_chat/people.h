// Who is behind the connections of this process, and what they say to each other: logins, direct messages, rooms.
//
// It lives in the store's loop: commands are handed over to it, and whatever it sends leaves from there. So a
// connection sees everything in the order in which the store did it: `welcome` before the messages that waited, `joined`
// before what was said in the room since. The commands of a connection are carried out in their order: what comes while
// a login or a join is with the store waits for that.
#ifndef AI_CHAT_PEOPLE_H
#define AI_CHAT_PEOPLE_H

#include <muduo/base/noncopyable.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "chat_metrics.h"
#include "muduo_ws/Hub.h"
#include "store.h"
#include "wire.h"

namespace ai_chat {

class People : muduo::noncopyable {
 public:
  using Loop = muduo::net::EventLoop;
  using Connection = wsmuduo::WebSocketConnectionPtr;

  struct Settings {
    std::string node;        // its name
    std::string userHeader;  // a header of the handshake that says who it is; empty: clients log in themselves
  };

  // All called in the connection's loop, and not for one that is gone.
  struct Callbacks {
    // Behind `joined`: the answers under way are to be streamed to it. connectionsIn() has it already, so an answer
    // that begins meanwhile is not missed by who looks there; it may be in the state, too. Not when it joins again.
    std::function<void(const Connection& conn, const std::string& room, const RoomState& state)> onJoined;
    std::function<void(const Connection& conn, const std::string& room)> onLeft;
  };

  // Before the first connection; destroyed when the loops have ended. `loop` is the store's. `metrics` may be null.
  People(wsmuduo::WebSocketServer* server, Store* store, Loop* loop, const Settings& settings,
         const Callbacks& callbacks, ChatMetrics* metrics);
  ~People();

  // ---- the connection's loop ----

  void onConnection(const Connection& conn);
  void onClose(const Connection& conn);
  void onCommand(const Connection& conn, const LoginCommand& command);
  void onCommand(const Connection& conn, const MessageCommand& command);
  void onCommand(const Connection& conn, const ReceivedCommand& command);
  void onCommand(const Connection& conn, const JoinCommand& command);
  void onCommand(const Connection& conn, const LeaveCommand& command);

  // ---- any thread ----

  // Empty: nobody has logged in.
  std::string userOf(const Connection& conn) const;
  bool isIn(const Connection& conn, const std::string& room) const;
  std::vector<Connection> connectionsIn(const std::string& room) const;
  // A message in JSON, to every connection here that is in the room.
  void broadcast(const std::string& room, const std::string& json) { hub_.broadcast(room, json); }

  // ---- the store's loop: its events of people ----

  void onDirect(const Post& post);
  void onRoomPost(const Post& post);
  void onPresence(const std::string& room, const std::string& user, bool online);
  void onDegraded(bool degraded);

 private:
  struct Member;
  using MemberPtr = std::shared_ptr<Member>;
  // A room that somebody here is in, or is about to be.
  struct Room {
    struct User {
      std::size_t connections = 0;
      bool isJoined = false;  // the store has said so
    };
    std::map<std::string, User> users;
    std::set<MemberPtr> joining;
  };
  using Action = std::function<void(const MemberPtr&)>;

  void order(const Connection& conn, const std::string& id, Action action);
  void settle(const MemberPtr& member);

  void login(const MemberPtr& member, const LoginCommand& command);
  void admit(const MemberPtr& member, const std::string& user);
  void onAdmitted(const MemberPtr& member, const std::string& user, Store::Status status);
  void readInbox(const MemberPtr& member);
  void onInbox(const MemberPtr& member, Store::Status status, std::vector<Post> posts);
  void deliverBacklog(const MemberPtr& member);
  void deliverLater(const MemberPtr& member, const Post& post);

  void message(const MemberPtr& member, const MessageCommand& command);
  void onSent(const MemberPtr& member, const MessageCommand& command, const Store::Sent& sent);

  void join(const MemberPtr& member, const std::string& room);
  void onRoomState(const MemberPtr& member, const std::string& room, bool isAgain, Store::Status status,
                   const RoomState& state);
  void leave(const MemberPtr& member, const std::string& room);
  void forget(const std::string& user, const std::string& room);
  void drop(const MemberPtr& member);

  bool isSomebody(const MemberPtr& member, const std::string& id);
  void send(const MemberPtr& member, const std::string& json);
  void refuse(const MemberPtr& member, const char* code, const std::string& why, bool retryable,
              const std::string& id = std::string());
  void refuse(const MemberPtr& member, Store::Status status, const std::string& what,
              const std::string& id = std::string());

  Store* const store_;
  Loop* const loop_;
  const Settings settings_;
  const Callbacks callbacks_;
  ChatMetrics* const metrics_;
  wsmuduo::Hub hub_;

  mutable std::mutex mutex_;  // held to change these two, and what of a Member other threads ask for
  std::unordered_map<const wsmuduo::WebSocketConnection*, MemberPtr> members_;
  std::unordered_map<std::string, std::vector<Connection>> inRooms_;

  // The store's loop only.
  std::unordered_map<std::string, std::set<MemberPtr>> users_;  // who is online here, with which connections
  std::unordered_map<std::string, Room> rooms_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_PEOPLE_H
