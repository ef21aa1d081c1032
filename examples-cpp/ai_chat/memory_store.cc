#include "memory_store.h"

#include <muduo/net/EventLoop.h>

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "token_hash.h"
#include "utf8.h"

namespace ai_chat {

namespace {

std::size_t costOf(const Post& post) {
  return 256 + post.text.size() + post.id.size() + post.from.size() + post.to.size() + post.room.size() +
         post.requestId.size();
}

}  // namespace

MemoryStore::MemoryStore(const Limits& limits, const Bounds& bounds)
    : limits_(limits),
      bounds_(bounds),
      stopped_(std::make_shared<std::atomic<bool>>(false)),
      conversations_(limits),
      messageIds_(bounds.messageIds) {}

MemoryStore::~MemoryStore() { *stopped_ = true; }

void MemoryStore::start(Loop* loop, Events* events) {
  const std::lock_guard<std::mutex> lock(mutex_);
  loop_ = loop;
  events_ = events;
}

void MemoryStore::stop(double, std::function<void()> done) {
  *stopped_ = true;
  loop_->queueInLoop(std::move(done));
}

void MemoryStore::queue(Loop* loop, std::function<void()> call) {
  loop->queueInLoop([stopped = stopped_, call = std::move(call)] {
    if (!*stopped) call();
  });
}

void MemoryStore::tell(Event event) {
  if (events_ == nullptr) return;
  queue(loop_, [events = events_, event = std::move(event)] { event(events); });
}

// ---- conversations and answers ----

void MemoryStore::history(const Scope& scope, Loop* loop, std::function<void(std::vector<Exchange>)> done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  queue(loop, [done = std::move(done), exchanges = conversations_.history(scope)] { done(exchanges); });
}

void MemoryStore::addExchange(const Scope& scope, const Exchange& exchange, const std::string& replaces, Loop* loop,
                              std::function<void()> done) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    conversations_.add(scope, exchange, replaces);
  }
  queue(loop, std::move(done));
}

void MemoryStore::claim(const std::shared_ptr<AnswerLog>&, Loop* loop, std::function<void(Claim)> done) {
  queue(loop, [done = std::move(done)] { done(Claim::kOurs); });
}

void MemoryStore::follow(const std::shared_ptr<AnswerLog>&, Loop* loop, std::function<void(Found)> done) {
  queue(loop, [done = std::move(done)] { done(Found::kUnknown); });
}

// ---- people ----

void MemoryStore::login(const std::string& name, const std::string& token, Loop* loop,
                        std::function<void(Status)> done) {
  const std::string hash = hashToken(token);
  const std::lock_guard<std::mutex> lock(mutex_);
  Status status = Status::kOk;
  if (const User* known = user(name)) {
    // Who is let in by somebody else has no token that could be right.
    if (known->tokenHash.empty() || !isSameHash(known->tokenHash, hash)) status = Status::kWrongToken;
  } else if (User* made = userToUse(name)) {
    made->tokenHash = hash;
  } else {
    status = Status::kFull;
  }
  queue(loop, [done = std::move(done), status] { done(status); });
}

void MemoryStore::admit(const std::string& name, Loop* loop, std::function<void(Status)> done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Status status = userToUse(name) == nullptr ? Status::kFull : Status::kOk;
  queue(loop, [done = std::move(done), status] { done(status); });
}

void MemoryStore::setOnline(const std::string& name, bool online) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (User* known = user(name)) known->online = online;
}

void MemoryStore::inbox(const std::string& name, Loop* loop, std::function<void(Status, std::vector<Post>)> done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Status status = Status::kNotFound;
  std::vector<Post> posts;
  if (const User* known = user(name)) {
    status = Status::kOk;
    posts.assign(known->inbox.begin(), known->inbox.end());
  }
  queue(loop, [done = std::move(done), status, posts = std::move(posts)] { done(status, posts); });
}

void MemoryStore::received(const std::string& name, const std::vector<std::string>& messageIds) {
  const std::unordered_set<std::string> ids(messageIds.begin(), messageIds.end());
  const std::lock_guard<std::mutex> lock(mutex_);
  User* known = user(name);
  if (known == nullptr) return;
  known->inbox.remove_if([&](const Post& post) {
    if (ids.count(post.messageId) == 0) return false;
    known->inboxBytes -= costOf(post);
    inboxesBytes_ -= costOf(post);
    return true;
  });
}

MemoryStore::User* MemoryStore::user(const std::string& name) {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

// Makes it if there is none; null: there is no room for it.
MemoryStore::User* MemoryStore::userToUse(const std::string& name) {
  if (User* known = user(name)) return known;
  return users_.size() < bounds_.users ? &users_[name] : nullptr;
}

// ---- messages ----

void MemoryStore::send(const Post& post, Loop* loop, std::function<void(Sent)> done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Event event;
  const Sent sent = store(post, &event);
  queue(loop, [done = std::move(done), sent] { done(sent); });  // before the event: a sender gets the ack first
  if (event) tell(std::move(event));
}

Store::Sent MemoryStore::store(const Post& post, Event* event) {
  Sent sent;
  sent.messageId = messageIds_.find(post.from, post.id);
  if (!sent.messageId.empty()) {
    const User* recipient = user(post.to);
    sent.delivered = recipient != nullptr && recipient->online;
    sent.status = Status::kOk;
    return sent;
  }
  Post kept = post;
  kept.messageId = messageIds_.next();
  kept.at = nowMs();
  const std::string messageId = kept.messageId;
  if (post.room.empty()) {
    sent.status = storeDirect(std::move(kept), &sent.delivered, event);
  } else {
    sent.status = storeInRoom(std::move(kept), event);
  }
  if (sent.status != Status::kOk) return sent;
  sent.messageId = messageId;
  messageIds_.remember(post.from, post.id, messageId);
  return sent;
}

Store::Status MemoryStore::storeDirect(Post post, bool* delivered, Event* event) {
  User* recipient = user(post.to);
  if (recipient == nullptr) return Status::kNotFound;
  const std::size_t cost = costOf(post);
  if (recipient->inbox.size() >= limits_.inboxPosts || recipient->inboxBytes + cost > bounds_.inboxBytes ||
      inboxesBytes_ + cost > bounds_.inboxesBytes) {
    return Status::kFull;
  }
  recipient->inboxBytes += cost;
  inboxesBytes_ += cost;
  recipient->inbox.push_back(post);
  *delivered = recipient->online;

  const User* sender = user(post.from);
  const bool concernsSomebody = recipient->online || (sender != nullptr && sender->online);
  if (concernsSomebody) *event = [post = std::move(post)](Events* events) { events->onDirect(post); };
  return Status::kOk;
}

Store::Status MemoryStore::storeInRoom(Post post, Event* event) {
  Room* place = roomToUse(post.room);
  if (place == nullptr) return Status::kFull;
  if (!place->members.empty()) *event = [post](Events* events) { events->onRoomPost(post); };

  // What the model is asked and says may be longer than what is kept of it; what people say to each other is not.
  if (post.from.empty() || !post.requestId.empty()) post.text = cutToWhole(post.text, limits_.bytes);
  const std::size_t cost = costOf(post);
  place->bytes += cost;
  roomsBytes_ += cost;
  roomPosts_.push_back({place, std::move(post)});
  place->posts.push_back(std::prev(roomPosts_.end()));
  while (place->posts.size() > limits_.roomPosts || place->bytes > bounds_.roomBytes) dropPost(place->posts.front());
  while (roomsBytes_ > bounds_.roomsBytes) dropPost(roomPosts_.begin());
  return Status::kOk;
}

// ---- rooms ----

void MemoryStore::join(const std::string& name, const std::string& user, Loop* loop,
                       std::function<void(Status, RoomState)> done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Room* joined = roomToUse(name);
  if (joined == nullptr || (joined->members.count(user) == 0 && joined->members.size() >= bounds_.members)) {
    if (joined != nullptr) dropIfUseless(joined);
    queue(loop, [done = std::move(done)] { done(Status::kFull, RoomState()); });
    return;
  }
  if (joined->members.empty()) emptyRooms_.erase(joined->place);
  if (joined->members.insert(user).second) {
    tell([name, user](Events* events) { events->onPresence(name, user, true); });
  }
  queue(loop, [done = std::move(done), now = state(joined)] { done(Status::kOk, now); });
}

void MemoryStore::look(const std::string& name, Loop* loop, std::function<void(Status, RoomState)> done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Room* known = room(name);
  RoomState now;
  if (known != nullptr) now = state(known);
  queue(loop, [done = std::move(done), now = std::move(now)] { done(Status::kOk, now); });
}

void MemoryStore::leave(const std::string& name, const std::string& user) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Room* left = room(name);
  if (left == nullptr || left->members.erase(user) == 0) return;
  tell([name, user](Events* events) { events->onPresence(name, user, false); });
  if (!left->members.empty()) return;
  left->place = emptyRooms_.insert(emptyRooms_.end(), left);
  dropIfUseless(left);
}

void MemoryStore::announce(const std::string& name, const std::shared_ptr<AnswerLog>& log) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Room* place = roomToUse(name);
  if (place == nullptr) return;
  keepRunning(place);
  if (place->answers.size() < bounds_.roomAnswers) place->answers.push_back(log);
}

RoomState MemoryStore::state(Room* room) {
  RoomState now;
  now.members.assign(room->members.begin(), room->members.end());
  for (const auto& post : room->posts) now.posts.push_back(post->post);
  keepRunning(room);
  for (const auto& answer : room->answers) {
    if (const auto log = answer.lock()) now.answers.push_back({log->id().requestId, log->last()});
  }
  return now;
}

// Forgets the answers that are over.
void MemoryStore::keepRunning(Room* room) {
  const auto isOver = [](const std::weak_ptr<AnswerLog>& answer) {
    const auto log = answer.lock();
    return log == nullptr || log->done();
  };
  room->answers.erase(std::remove_if(room->answers.begin(), room->answers.end(), isOver), room->answers.end());
}

MemoryStore::Room* MemoryStore::room(const std::string& name) {
  const auto found = rooms_.find(name);
  return found == rooms_.end() ? nullptr : &found->second;
}

// Makes it if there is none; null: there are too many rooms with somebody in them.
MemoryStore::Room* MemoryStore::roomToUse(const std::string& name) {
  if (Room* known = room(name)) {
    if (known->members.empty()) emptyRooms_.splice(emptyRooms_.end(), emptyRooms_, known->place);
    return known;
  }
  if (rooms_.size() >= bounds_.rooms && !emptyRooms_.empty()) dropRoom(emptyRooms_.front());
  if (rooms_.size() >= bounds_.rooms) return nullptr;
  Room* made = &rooms_[name];
  made->name = name;
  made->place = emptyRooms_.insert(emptyRooms_.end(), made);
  return made;
}

// An empty room of which there is nothing to know.
void MemoryStore::dropIfUseless(Room* room) {
  if (!room->members.empty() || !room->posts.empty()) return;
  keepRunning(room);
  if (room->answers.empty()) dropRoom(room);
}

void MemoryStore::dropRoom(Room* room) {
  while (!room->posts.empty()) dropPost(room->posts.front());
  emptyRooms_.erase(room->place);
  rooms_.erase(std::string(room->name));
}

// The oldest of its room.
void MemoryStore::dropPost(RoomPosts::iterator post) {
  const std::size_t cost = costOf(post->post);
  post->room->bytes -= cost;
  roomsBytes_ -= cost;
  post->room->posts.pop_front();
  roomPosts_.erase(post);
}

}  // namespace ai_chat
