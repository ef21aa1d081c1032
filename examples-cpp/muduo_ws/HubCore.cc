#include "muduo_ws/HubCore.h"

#include "muduo_ws/Session.h"

#include <muduo/net/EventLoop.h>

#include <algorithm>

namespace wsmuduo {
namespace detail {

namespace {

const size_t kBatch = 256;  // connections that are given a message at once: they fit in the processor's caches

}  // namespace

/// A member that a group has in a loop, from the call of join() on: so a broadcast that follows finds the loop, though
/// the loop may not know of the member yet. Ends with the membership.
struct HubCore::Interest : muduo::noncopyable {
  Interest(const std::shared_ptr<HubCore>& hub, const std::string& group, Shard* shard)
      : core(hub), group(group), shard(shard) {}
  ~Interest() {
    if (const std::shared_ptr<HubCore> hub = core.lock()) hub->dropInterest(group, shard);
  }

  const std::weak_ptr<HubCore> core;
  const std::string group;
  const Shard* const shard;
};

/// The members in one loop, side by side, so that a broadcast goes through them quickly.
struct HubCore::Group {
  std::vector<Session*> sessions;
  std::unordered_map<Session*, size_t> places;
};

struct HubCore::Member {
  std::string user;
  std::map<std::string, InterestPtr> groups;
};

/// What one loop has of the hub; only that loop touches it, but for the queue.
struct HubCore::Shard : muduo::noncopyable {
  explicit Shard(const std::shared_ptr<LoopQueue>& loopQueue) : queue(loopQueue) {}

  const std::shared_ptr<LoopQueue> queue;
  std::unordered_map<std::string, Group> groups;
  std::unordered_map<Session*, Member> members;
  std::vector<ws_recipient> recipients;
};

// ---- any thread ----

bool HubCore::join(const WebSocketConnectionPtr& conn, const std::string& group) {
  const std::shared_ptr<Handle>& handle = conn->handle_;
  const ShardPtr shard = shardOf(handle->queue());
  const InterestPtr interest = addInterest(group, shard);
  const std::shared_ptr<HubCore> self = shared_from_this();
  return handle->post([self, shard, interest](Session* session) {
    if (session != NULL && session->isOpen()) self->add(shard.get(), session, interest);
  });
}

void HubCore::leave(const WebSocketConnectionPtr& conn, const std::string& group) {
  const ShardPtr shard = shardOf(conn->handle_->queue());
  const std::shared_ptr<HubCore> self = shared_from_this();
  conn->handle_->post([self, shard, group](Session* session) {
    if (session != NULL) self->remove(shard.get(), session, group);
  });
}

bool HubCore::signIn(const WebSocketConnectionPtr& conn, const std::string& name) {
  const ShardPtr shard = shardOf(conn->handle_->queue());
  const InterestPtr interest = name.empty() ? InterestPtr() : addInterest(user(name), shard);
  const std::shared_ptr<HubCore> self = shared_from_this();
  return conn->handle_->post([self, shard, name, interest](Session* session) {
    if (session != NULL && session->isOpen()) self->setUser(shard.get(), session, name, interest);
  });
}

bool HubCore::send(const std::string& group, const PreparedMessage& message, const WebSocketConnectionPtr& except) {
  if (!message.isValid()) return false;
  const std::shared_ptr<HubCore> self = shared_from_this();
  const std::shared_ptr<Handle> exceptHandle = except ? except->handle_ : std::shared_ptr<Handle>();
  bool isSent = false;
  for (const ShardPtr& shard : shardsOf(group)) {
    isSent |= shard->queue->runInOrder([self, shard, group, message, exceptHandle](Session*) {
      self->deliver(shard.get(), group, message, exceptHandle.get());
    });
  }
  return isSent;
}

std::vector<std::string> HubCore::usersIn(const std::string& room) const {
  std::vector<std::string> names;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = connectionsOf_.find(room);
  if (found == connectionsOf_.end()) return names;
  for (const auto& item : found->second) names.push_back(item.first);
  return names;
}

bool HubCore::isIn(const std::string& user, const std::string& room) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = connectionsOf_.find(room);
  return found != connectionsOf_.end() && found->second.count(user) > 0;
}

size_t HubCore::count(const std::string& group) const {
  size_t sum = 0;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return 0;
  for (const auto& item : found->second) sum += item.second;
  return sum;
}

// ---- which loops have members ----

HubCore::ShardPtr HubCore::shardOf(const std::shared_ptr<LoopQueue>& queue) {
  std::lock_guard<std::mutex> lock(mutex_);
  ShardPtr& shard = shards_[queue.get()];
  if (!shard) shard = std::make_shared<Shard>(queue);
  return shard;
}

HubCore::InterestPtr HubCore::addInterest(const std::string& group, const ShardPtr& shard) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++groups_[group][shard];
  }
  return std::make_shared<Interest>(shared_from_this(), group, shard.get());
}

void HubCore::dropInterest(const std::string& group, const Shard* shard) {
  ShardPtr last;  // destroyed without the lock
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  for (auto it = found->second.begin(); it != found->second.end(); ++it) {
    if (it->first.get() != shard) continue;
    if (--it->second == 0) {
      last = it->first;
      found->second.erase(it);
    }
    break;
  }
  if (found->second.empty()) groups_.erase(found);
}

std::vector<HubCore::ShardPtr> HubCore::shardsOf(const std::string& group) const {
  std::vector<ShardPtr> shards;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return shards;
  for (const auto& item : found->second) shards.push_back(item.first);
  return shards;
}

// ---- the loop's thread ----

void HubCore::observe(WebSocketServer* server, const std::shared_ptr<HubCore>& core) { ServerCore::of(server)->addObserver(core); }

void HubCore::onOpen(Session* session) {
  const ShardPtr shard = shardOf(session->loopEngine()->queue());
  add(shard.get(), session, addInterest(everybody(), shard));
}

void HubCore::onGone(Session* session) {
  const ShardPtr shard = shardOf(session->loopEngine()->queue());
  const auto found = shard->members.find(session);
  if (found == shard->members.end()) return;
  setUser(shard.get(), session, std::string(), InterestPtr());
  std::vector<std::string> groups;
  for (const auto& item : found->second.groups) groups.push_back(item.first);
  for (const std::string& group : groups) remove(shard.get(), session, group);
  shard->members.erase(session);
}

void HubCore::add(Shard* shard, Session* session, const InterestPtr& interest) {
  Member& member = shard->members[session];
  if (!member.groups.insert(std::make_pair(interest->group, interest)).second) return;
  Group& group = shard->groups[interest->group];
  group.places[session] = group.sessions.size();
  group.sessions.push_back(session);
  if (interest->group[0] == 'r' && !member.user.empty()) changePresence(shard, interest->group.substr(1), member.user, true);
}

void HubCore::remove(Shard* shard, Session* session, const std::string& name) {
  const auto member = shard->members.find(session);
  if (member == shard->members.end() || member->second.groups.erase(name) == 0) return;
  const auto found = shard->groups.find(name);
  Group& group = found->second;
  const size_t place = group.places[session];
  group.sessions[place] = group.sessions.back();  // the last one takes its place
  group.places[group.sessions[place]] = place;
  group.sessions.pop_back();
  group.places.erase(session);
  if (group.sessions.empty()) shard->groups.erase(found);
  if (name[0] == 'r' && !member->second.user.empty()) changePresence(shard, name.substr(1), member->second.user, false);
}

void HubCore::setUser(Shard* shard, Session* session, const std::string& name, const InterestPtr& interest) {
  Member& member = shard->members[session];
  if (member.user == name) return;
  std::vector<std::string> rooms(1, std::string());  // and the server itself
  for (const auto& item : member.groups) {
    if (item.first[0] == 'r') rooms.push_back(item.first.substr(1));
  }
  const std::string before = member.user;
  if (!before.empty()) remove(shard, session, user(before));
  member.user = name;
  if (interest) add(shard, session, interest);
  for (const std::string& room : rooms) {
    if (!before.empty()) changePresence(shard, room, before, false);
    if (!name.empty()) changePresence(shard, room, name, true);
  }
}

void HubCore::deliver(Shard* shard, const std::string& name, const PreparedMessage& message, const Handle* except) {
  const auto found = shard->groups.find(name);
  if (found == shard->groups.end()) return;
  const std::vector<Session*>& sessions = found->second.sessions;
  std::vector<Session*> slow;
  sessions[0]->loopEngine()->beginTurn();
  for (size_t begin = 0; begin < sessions.size(); begin += kBatch) {
    const size_t end = std::min(begin + kBatch, sessions.size());
    std::vector<Session*> batch;
    batch.reserve(end - begin);
    shard->recipients.clear();
    for (size_t i = begin; i < end; ++i) {
      Session* const session = sessions[i];
      if (session->is(except) || session->isClosing()) continue;
      if (!session->hasRoomFor(message.size())) {
        slow.push_back(session);
        continue;
      }
      ws_recipient recipient = ws_recipient();
      recipient.conn = session->conn();
      shard->recipients.push_back(recipient);
      batch.push_back(session);
    }
    ws_conns_queue_prepared(shard->recipients.data(), batch.size(), message.get());
    for (size_t i = 0; i < batch.size(); ++i) {
      if (shard->recipients[i].status == WS_OK) batch[i]->markDirty();
      if (shard->recipients[i].status == WS_ERR_QUEUE_FULL) slow.push_back(batch[i]);
    }  // what is closing is left alone
  }
  if (slowPolicy_ != Hub::kCloseSlow) return;
  for (Session* session : slow) session->closeAsSlow();
}

// ---- presence ----

void HubCore::changePresence(Shard* shard, const std::string& room, const std::string& user, bool comes) {
  bool mustNotify = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    std::map<std::string, size_t>& users = connectionsOf_[room];
    size_t& number = users[user];
    const bool isChange = comes ? ++number == 1 : --number == 0;
    if (number == 0) users.erase(user);
    if (users.empty()) connectionsOf_.erase(room);
    if (isChange && presenceCallback_) {
      changes_.push_back(Change{user, room, comes});
      mustNotify = !isNotifying_;
      isNotifying_ = true;
    }
  }
  if (!mustNotify) return;
  const std::shared_ptr<HubCore> self = shared_from_this();
  shard->queue->loop()->queueInLoop([self]() { self->notify(); });  // never from here: a send may be behind us in the queue
}

/// One thread at a time, so that nobody goes before it came.
void HubCore::notify() {
  for (;;) {
    Change change;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      isNotifying_ = !changes_.empty();
      if (changes_.empty()) return;
      change = changes_.front();
      changes_.pop_front();
    }
    presenceCallback_(change.user, change.room, change.isPresent);
  }
}

}  // namespace detail
}  // namespace wsmuduo
