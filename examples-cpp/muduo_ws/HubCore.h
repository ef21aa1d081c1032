// Internal: the state of a Hub. Members are kept by the loop that they live in, and only that loop touches them; what all
// threads ask for, who is there and which loops have members of a group, is behind a lock that is never held while sending.

#ifndef MUDUO_WS_HUBCORE_H
#define MUDUO_WS_HUBCORE_H

#include "muduo_ws/Hub.h"
#include "muduo_ws/LoopQueue.h"
#include "muduo_ws/ServerCore.h"

#include <deque>
#include <map>
#include <set>
#include <unordered_map>

namespace wsmuduo {
namespace detail {

class HubCore : public SessionObserver, muduo::noncopyable, public std::enable_shared_from_this<HubCore> {
 public:
  explicit HubCore(Hub::SlowPolicy slowPolicy) : slowPolicy_(slowPolicy), isNotifying_(false) {}

  /// What a member is part of: everybody, a room, the connections of a user.
  static std::string everybody() { return std::string(); }
  static std::string room(const std::string& name) { return "r" + name; }
  static std::string user(const std::string& name) { return "u" + name; }

  void setPresenceCallback(const Hub::PresenceCallback& callback) { presenceCallback_ = callback; }
  static void observe(WebSocketServer* server, const std::shared_ptr<HubCore>& core);

  // ---- any thread ----

  bool join(const WebSocketConnectionPtr& conn, const std::string& group);
  void leave(const WebSocketConnectionPtr& conn, const std::string& group);
  bool signIn(const WebSocketConnectionPtr& conn, const std::string& user);
  bool send(const std::string& group, const PreparedMessage& message, const WebSocketConnectionPtr& except);

  std::vector<std::string> usersIn(const std::string& room) const;
  bool isIn(const std::string& user, const std::string& room) const;
  size_t count(const std::string& group) const;

  // ---- the loop's thread: SessionObserver ----

  void onOpen(Session* session) override;
  void onGone(Session* session) override;

 private:
  struct Interest;
  struct Group;
  struct Member;
  struct Shard;
  typedef std::shared_ptr<Shard> ShardPtr;
  typedef std::shared_ptr<Interest> InterestPtr;

  ShardPtr shardOf(const std::shared_ptr<LoopQueue>& queue);
  InterestPtr addInterest(const std::string& group, const ShardPtr& shard);
  void dropInterest(const std::string& group, const Shard* shard);
  std::vector<ShardPtr> shardsOf(const std::string& group) const;

  void add(Shard* shard, Session* session, const InterestPtr& interest);
  void remove(Shard* shard, Session* session, const std::string& group);
  void setUser(Shard* shard, Session* session, const std::string& user, const InterestPtr& interest);
  void deliver(Shard* shard, const std::string& group, const PreparedMessage& message, const Handle* except);

  void changePresence(Shard* shard, const std::string& room, const std::string& user, bool comes);
  void notify();

  const Hub::SlowPolicy slowPolicy_;
  Hub::PresenceCallback presenceCallback_;

  struct Change {
    std::string user;
    std::string room;
    bool isPresent;
  };

  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<const LoopQueue*, ShardPtr> shards_;
  std::unordered_map<std::string, std::map<ShardPtr, size_t>> groups_;            // how many members are, or will be, where
  std::unordered_map<std::string, std::map<std::string, size_t>> connectionsOf_;  // room ("" = the server) -> user -> number
  std::deque<Change> changes_;  // not told yet
  bool isNotifying_;
};

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_HUBCORE_H
