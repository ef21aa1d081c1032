#include "people.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "utf8.h"

namespace ai_chat {

namespace {

using wsmuduo::PreparedMessage;
using Status = Store::Status;

constexpr std::size_t kMaxRooms = 16;         // that a connection is in
constexpr std::size_t kMaxWaiting = 64;       // commands that wait for a login or a join
constexpr std::size_t kMaxLate = 1000;        // messages behind those that waited for the login
constexpr std::size_t kMaxMeanwhile = 256;    // that come in a room while it is being joined
constexpr std::size_t kRememberedSends = 64;  // of a connection, to know what it said itself
constexpr std::size_t kBufferedAtMost = 256 * 1024;  // while the messages that waited are sent: others need room, too
constexpr double kUntilMoreIsSent = 0.02;

constexpr std::size_t kMaxNameBytes = 64;

bool isName(const std::string& name) {
  const auto isControl = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return !name.empty() && name.size() <= kMaxNameBytes && isUtf8(name) && name.front() != ' ' && name.back() != ' ' &&
         std::none_of(name.begin(), name.end(), isControl);
}

}  // namespace

// A connection.
struct People::Member {
  explicit Member(const Connection& connection) : conn(connection) {}

  const Connection conn;

  std::string proxied;  // who the proxy says it is
  // Changed in the store's loop, under the lock.
  std::string user;
  std::set<std::string> rooms;

  // The store's loop only.
  bool isGone = false;
  bool isBusy = false;  // a login or a join is with the store
  std::deque<Action> waiting;

  bool isWelcome = false;
  bool isReading = false;    // the store has been asked for the inbox
  bool lacksInbox = false;   // the store could not be reached
  bool isLive = false;       // the hub delivers direct messages; else they go behind the backlog
  std::deque<Post> backlog;  // what waited, and what has come since
  std::size_t late = 0;
  std::deque<std::string> sent;  // the last ids that it gave its own messages

  std::string joining;  // room
  struct Missed {
    std::string messageId;
    PreparedMessage json;
  };
  std::deque<Missed> meanwhile;  // what has come in that room since the store was asked
};

People::People(wsmuduo::WebSocketServer* server, Store* store, Loop* loop, const Settings& settings,
               const Callbacks& callbacks, ChatMetrics* metrics)
    : store_(store), loop_(loop), settings_(settings), callbacks_(callbacks), metrics_(metrics), hub_(server) {}

People::~People() = default;

// ---- connections ----

void People::onConnection(const Connection& conn) {
  std::string user;
  if (!settings_.userHeader.empty()) user = conn->header(settings_.userHeader);
  loop_->runInLoop([this, conn, user] {
    const auto member = std::make_shared<Member>(conn);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      members_.emplace(conn.get(), member);
    }
    if (user.empty()) return;
    if (isName(user)) member->proxied = user;
    admit(member, user);
  });
}

void People::onClose(const Connection& conn) {
  loop_->queueInLoop([this, conn] {  // later: this may be the end of a send that goes through the members
    const auto found = members_.find(conn.get());
    if (found == members_.end()) return;
    const MemberPtr member = found->second;
    drop(member);
  });
}

void People::drop(const MemberPtr& member) {
  member->isGone = true;
  member->waiting.clear();
  std::set<std::string> rooms;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    members_.erase(member->conn.get());
    rooms.swap(member->rooms);
    for (const std::string& room : rooms) {
      auto& connections = inRooms_[room];
      connections.erase(std::remove(connections.begin(), connections.end(), member->conn), connections.end());
      if (connections.empty()) inRooms_.erase(room);
    }
  }
  if (!member->joining.empty()) {
    rooms_[member->joining].joining.erase(member);
    rooms.insert(member->joining);
  }
  for (const std::string& room : rooms) forget(member->user, room);

  const auto connections = users_.find(member->user);
  if (connections == users_.end()) return;
  connections->second.erase(member);
  if (!connections->second.empty()) return;
  users_.erase(connections);
  store_->setOnline(member->user, false);
  if (metrics_ != nullptr) --metrics_->usersOnline;
}

std::string People::userOf(const Connection& conn) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = members_.find(conn.get());
  return found == members_.end() ? std::string() : found->second->user;
}

bool People::isIn(const Connection& conn, const std::string& room) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = members_.find(conn.get());
  return found != members_.end() && found->second->rooms.count(room) > 0;
}

std::vector<People::Connection> People::connectionsIn(const std::string& room) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = inRooms_.find(room);
  return found == inRooms_.end() ? std::vector<Connection>() : found->second;
}

// ---- commands ----

void People::onCommand(const Connection& conn, const LoginCommand& command) {
  order(conn, std::string(), [this, command](const MemberPtr& member) { login(member, command); });
}

void People::onCommand(const Connection& conn, const MessageCommand& command) {
  order(conn, command.id, [this, command](const MemberPtr& member) { message(member, command); });
}

void People::onCommand(const Connection& conn, const ReceivedCommand& command) {
  order(conn, std::string(), [this, command](const MemberPtr& member) {
    if (isSomebody(member, std::string())) store_->received(member->user, command.messageIds);
  });
}

void People::onCommand(const Connection& conn, const JoinCommand& command) {
  order(conn, std::string(), [this, command](const MemberPtr& member) { join(member, command.room); });
}

void People::onCommand(const Connection& conn, const LeaveCommand& command) {
  order(conn, std::string(), [this, command](const MemberPtr& member) { leave(member, command.room); });
}

void People::order(const Connection& conn, const std::string& id, Action action) {
  loop_->runInLoop([this, conn, id, action = std::move(action)] {
    const auto found = members_.find(conn.get());
    if (found == members_.end()) return;
    const MemberPtr member = found->second;
    if (!member->isBusy) {
      action(member);
    } else if (member->waiting.size() < kMaxWaiting) {
      member->waiting.push_back(action);
    } else {
      refuse(member, "too_fast", "too many messages while a login or a join is under way", true, id);
    }
  });
}

// What was with the store is done.
void People::settle(const MemberPtr& member) {
  member->isBusy = false;
  while (!member->isBusy && !member->waiting.empty()) {
    const Action action = std::move(member->waiting.front());
    member->waiting.pop_front();
    action(member);
  }
}

bool People::isSomebody(const MemberPtr& member, const std::string& id) {
  if (!member->user.empty()) return true;
  const char* const why =
      settings_.userHeader.empty() ? "log in first" : "the proxy in front of the server has not said who this is";
  refuse(member, "login_required", why, false, id);
  return false;
}

void People::send(const MemberPtr& member, const std::string& json) {
  // As the hub does with one that does not read.
  if (!member->conn->send(json)) member->conn->close(1013, "too slow");
}

void People::refuse(const MemberPtr& member, const char* code, const std::string& why, bool retryable,
                    const std::string& id) {
  ErrorReply error;
  error.code = code;
  error.message = why;
  error.retryable = retryable;
  error.id = id;
  send(member, encodeError(error));
}

void People::refuse(const MemberPtr& member, Status status, const std::string& what, const std::string& id) {
  switch (status) {
    case Status::kOk:
      return;
    case Status::kNotFound:
      return refuse(member, "not_found", what + " is not known here", false, id);
    case Status::kWrongToken:
      return refuse(member, "wrong_token", "the name belongs to somebody with another token", false, id);
    case Status::kFull:
      return refuse(member, "overloaded", what + " is full", true, id);
    case Status::kUnavailable:
      return refuse(member, "unavailable", "the shared store cannot be reached", true, id);
  }
}

// ---- logging in ----

void People::login(const MemberPtr& member, const LoginCommand& command) {
  if (!settings_.userHeader.empty()) {
    return refuse(member, "bad_request", "the proxy in front of the server says who this is: there is no login", false);
  }
  if (!member->user.empty()) {
    return refuse(member, "bad_request", "this connection has logged in: use another one for another user", false);
  }
  member->isBusy = true;
  store_->login(command.user, command.token, loop_,
                [this, member, user = command.user](Status status) { onAdmitted(member, user, status); });
}

void People::admit(const MemberPtr& member, const std::string& user) {
  if (!isName(user)) {
    LOG_WARN << "the header " << settings_.userHeader
             << " does not hold the name of a user: 1 to 64 bytes of UTF-8 without control characters";
    return refuse(member, "bad_request", "the proxy in front of the server has sent what is no name of a user", false);
  }
  member->isBusy = true;
  store_->admit(user, loop_, [this, member, user](Status status) { onAdmitted(member, user, status); });
}

void People::onAdmitted(const MemberPtr& member, const std::string& user, Status status) {
  if (member->isGone) return;
  if (status != Status::kOk) {
    refuse(member, status, "the list of users");
    return settle(member);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    member->user = user;
  }
  auto& connections = users_[user];
  connections.insert(member);
  if (connections.size() == 1) {
    store_->setOnline(user, true);
    if (metrics_ != nullptr) ++metrics_->usersOnline;
  }
  readInbox(member);
}

// What comes from here on waits behind what the store has.
void People::readInbox(const MemberPtr& member) {
  if (member->isLive) hub_.signIn(member->conn, std::string());
  member->isLive = false;
  member->isReading = true;
  store_->inbox(member->user, loop_, [this, member](Status status, std::vector<Post> posts) {
    if (!member->isGone) onInbox(member, status, std::move(posts));
  });
}

void People::onInbox(const MemberPtr& member, Status status, std::vector<Post> posts) {
  member->isReading = false;
  member->lacksInbox = status == Status::kUnavailable;

  std::deque<Post> later;
  later.swap(member->backlog);
  std::unordered_set<std::string> known;
  for (const Post& post : posts) known.insert(post.messageId);
  const bool isLogin = !member->isWelcome;
  if (isLogin) {
    member->isWelcome = true;
    send(member, encodeWelcome(member->user, settings_.node, posts.size()));
  }
  std::move(posts.begin(), posts.end(), std::back_inserter(member->backlog));
  for (Post& post : later) {
    if (known.count(post.messageId) == 0) member->backlog.push_back(std::move(post));
  }
  deliverBacklog(member);
  if (isLogin) settle(member);
}

// At the pace of the reader: an inbox may be larger than what may wait for one.
void People::deliverBacklog(const MemberPtr& member) {
  if (member->isGone || member->isReading || member->isLive) return;
  while (!member->backlog.empty()) {
    if (member->conn->bufferedAmount() > kBufferedAtMost) {
      loop_->runAfter(kUntilMoreIsSent, [this, member] { deliverBacklog(member); });
      return;
    }
    send(member, encodePost(member->backlog.front()));
    member->backlog.pop_front();
  }
  member->late = 0;
  member->isLive = true;
  hub_.signIn(member->conn, member->user);
}

void People::deliverLater(const MemberPtr& member, const Post& post) {
  if (++member->late > kMaxLate) return member->conn->close(1013, "too slow");
  member->backlog.push_back(post);
}

void People::onDegraded(bool degraded) {
  if (degraded) return;
  for (const auto& [conn, member] : members_) {
    if (member->lacksInbox && !member->isReading) readInbox(member);
    // Its client may not log in, so it could not try again.
    if (!member->proxied.empty() && member->user.empty() && !member->isBusy) admit(member, member->proxied);
  }
}

// ---- messages ----

void People::message(const MemberPtr& member, const MessageCommand& command) {
  if (!isSomebody(member, command.id)) return;
  if (!command.room.empty() && member->rooms.count(command.room) == 0) {
    return refuse(member, "not_in_room", "join the room first", false, command.id);
  }
  member->sent.push_back(command.id);
  if (member->sent.size() > kRememberedSends) member->sent.pop_front();

  Post post;
  post.id = command.id;
  post.from = member->user;
  post.to = command.to;
  post.room = command.room;
  post.text = command.text;
  store_->send(post, loop_, [this, member, command](const Store::Sent& sent) { onSent(member, command, sent); });
}

void People::onSent(const MemberPtr& member, const MessageCommand& command, const Store::Sent& sent) {
  if (sent.status == Status::kOk && metrics_ != nullptr) ++metrics_->messages;
  if (member->isGone) return;
  if (sent.status == Status::kOk) {
    send(member, encodeAck(command.id, sent.messageId, command.room.empty() ? &sent.delivered : nullptr));
  } else {
    refuse(member, sent.status, command.room.empty() ? "the user or the inbox" : "the room", command.id);
  }
}

void People::onDirect(const Post& post) {
  const auto message = PreparedMessage::text(encodePost(post));
  hub_.sendToUser(post.to, message);
  const auto recipient = users_.find(post.to);
  if (recipient != users_.end()) {
    for (const MemberPtr& member : recipient->second) {
      if (!member->isLive) deliverLater(member, post);
    }
  }

  if (post.from == post.to) return;
  const auto sender = users_.find(post.from);
  if (sender == users_.end()) return;
  for (const MemberPtr& member : sender->second) {
    // The one that sent it has the ack.
    const auto& sent = member->sent;
    if (!post.id.empty() && std::find(sent.begin(), sent.end(), post.id) != sent.end()) continue;
    if (!member->isLive) {
      deliverLater(member, post);
    } else if (!member->conn->sendPrepared(message)) {
      member->conn->close(1013, "too slow");
    }
  }
}

// ---- rooms ----

void People::join(const MemberPtr& member, const std::string& room) {
  if (!isSomebody(member, std::string())) return;
  const bool isAgain = member->rooms.count(room) > 0;
  if (!isAgain && member->rooms.size() >= kMaxRooms) {
    return refuse(member, "bad_request", "a connection can be in 16 rooms: leave one first", false);
  }
  Room& place = rooms_[room];
  Room::User& user = place.users[member->user];
  if (!isAgain) {
    ++user.connections;
    place.joining.insert(member);
    member->joining = room;
  }
  member->isBusy = true;
  auto done = [this, member, room, isAgain](Status status, const RoomState& state) {
    if (!member->isGone) onRoomState(member, room, isAgain, status, state);
  };
  if (user.isJoined) {
    store_->look(room, loop_, std::move(done));
  } else {
    store_->join(room, member->user, loop_, std::move(done));
  }
}

void People::onRoomState(const MemberPtr& member, const std::string& room, bool isAgain, Status status,
                         const RoomState& state) {
  std::deque<Member::Missed> meanwhile;
  meanwhile.swap(member->meanwhile);
  member->joining.clear();
  rooms_[room].joining.erase(member);
  if (status != Status::kOk) {
    if (!isAgain) forget(member->user, room);
    refuse(member, status, "the room");
    return settle(member);
  }

  rooms_[room].users[member->user].isJoined = true;
  if (!isAgain) {
    const std::lock_guard<std::mutex> lock(mutex_);
    member->rooms.insert(room);
    inRooms_[room].push_back(member->conn);
  }
  send(member, encodeJoined(room, state));
  hub_.join(member->conn, room);
  std::unordered_set<std::string> known;
  for (const Post& post : state.posts) known.insert(post.messageId);
  for (const Member::Missed& missed : meanwhile) {
    if (missed.messageId.empty() || known.count(missed.messageId) == 0) member->conn->sendPrepared(missed.json);
  }
  if (!isAgain && callbacks_.onJoined) {
    member->conn->getLoop()->queueInLoop([this, conn = member->conn, room, state] {
      if (conn->connected()) callbacks_.onJoined(conn, room, state);
    });
  }
  settle(member);
}

void People::leave(const MemberPtr& member, const std::string& room) {
  if (!isSomebody(member, std::string())) return;
  const bool wasIn = member->rooms.count(room) > 0;
  if (wasIn) {
    hub_.leave(member->conn, room);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      member->rooms.erase(room);
      auto& connections = inRooms_[room];
      connections.erase(std::remove(connections.begin(), connections.end(), member->conn), connections.end());
      if (connections.empty()) inRooms_.erase(room);
    }
    forget(member->user, room);
  }
  send(member, encodeLeft(room));
  if (!wasIn || !callbacks_.onLeft) return;
  member->conn->getLoop()->queueInLoop([this, conn = member->conn, room] {
    if (conn->connected()) callbacks_.onLeft(conn, room);
  });
}

// One connection of the user less.
void People::forget(const std::string& user, const std::string& room) {
  Room& place = rooms_[room];
  if (--place.users[user].connections > 0) return;
  place.users.erase(user);
  if (place.users.empty()) rooms_.erase(room);
  store_->leave(room, user);
}

void People::onRoomPost(const Post& post) {
  if (post.from.empty()) return;  // an answer: its members have had it as a stream
  const auto message = PreparedMessage::text(encodePost(post));
  hub_.broadcast(post.room, message);
  const auto place = rooms_.find(post.room);
  if (place == rooms_.end()) return;
  for (const MemberPtr& member : place->second.joining) {
    member->meanwhile.push_back({post.messageId, message});
    if (member->meanwhile.size() > kMaxMeanwhile) member->meanwhile.pop_front();  // it will be in the state
  }
}

void People::onPresence(const std::string& room, const std::string& user, bool online) {
  const auto message = PreparedMessage::text(encodePresence(room, user, online));
  hub_.broadcast(room, message);
  const auto place = rooms_.find(room);
  if (place == rooms_.end()) return;
  for (const MemberPtr& member : place->second.joining) {
    if (member->user == user) continue;
    member->meanwhile.push_back({std::string(), message});
    if (member->meanwhile.size() > kMaxMeanwhile) member->meanwhile.pop_front();
  }
}

}  // namespace ai_chat
