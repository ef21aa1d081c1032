#include "redis_people.h"

#include <algorithm>
#include <utility>

#include "redis_json.h"

namespace ai_chat {

namespace {

constexpr std::size_t kMaxIds = 1000;  // of one call of received()

std::string milliseconds(double seconds) { return std::to_string(static_cast<std::int64_t>(seconds * 1000)); }

bool isMessageId(const std::string& id) {
  return !id.empty() && id.size() <= 18 && id.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

bool isBehind(const std::string& messageId, const std::string& other) {
  return messageId.size() != other.size() ? messageId.size() > other.size() : messageId > other;
}

std::vector<Post> postsFrom(const RedisValue& entries) {
  std::vector<Post> posts;
  posts.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Post post;
    if (!postFromJson(entries[i][1][1].text(), &post)) continue;
    stampPost(entries[i][0].text(), &post);
    posts.push_back(std::move(post));
  }
  return posts;
}

// ---- names ----

void RedisPeople::login(const std::string& user, const std::string& tokenHash, bool isTrusted, Loop* loop,
                        std::function<void(Status)> done) {
  const bool asks = node_->isUp() && node_->run(RedisScripts::login, {user, tokenHash, isTrusted ? "1" : "0"},
                                                [=](const RedisValue& reply) {
                                                  Status status = Status::kUnavailable;
                                                  if (reply.isGood()) {
                                                    status = reply.number() == 1 ? Status::kOk : Status::kWrongToken;
                                                  } else if (reply.isError()) {
                                                    node_->countError("login", reply);
                                                    node_->isAway(reply);
                                                  }
                                                  node_->tell(loop, done, status);
                                                });
  if (!asks) node_->tell(loop, done, Status::kUnavailable);
}

// ---- who is online ----

void RedisPeople::setOnline(const std::string& user, bool online) {
  if (online == (online_.count(user) != 0)) return;
  const std::string channel = node_->key("u:", user);
  if (online) {
    online_[user].missed = !node_->isUp();
    node_->channels().subscribe(
        channel, {[this, user] { onHears(user); }, [this, user](std::string_view text) { onText(user, text); }});
    return;
  }
  for (User::Waiting& one : online_[user].inboxes) readInbox(user, one.loop, std::move(one.done));
  online_.erase(user);
  node_->channels().unsubscribe(channel);
  node_->run(RedisScripts::drop, {node_->id(), "u\n" + user}, [](const RedisValue&) {});
}

void RedisPeople::onHears(const std::string& user) {
  User& state = online_[user];
  state.hears = true;
  // The others are told only now, so that what they then send is heard.
  node_->run(RedisScripts::hold, {node_->id(), "u\n" + user}, [](const RedisValue&) {});
  if (state.missed) refill(user);
  for (User::Waiting& one : std::exchange(state.inboxes, {})) readInbox(user, one.loop, std::move(one.done));
}

void RedisPeople::addHoldings(std::vector<std::string>* holdings) const {
  for (const auto& [user, state] : online_) holdings->push_back("u\n" + user);
}

void RedisPeople::onDown() {
  for (auto& [user, state] : online_) {
    state.missed = state.missed || state.hears;
    state.hears = false;
    state.isRefilling = false;
    state.held.clear();
    for (User::Waiting& one : std::exchange(state.inboxes, {})) {
      node_->tell(one.loop, one.done, Status::kUnavailable, std::vector<Post>());
    }
  }
}

void RedisPeople::onTick() {
  if (!node_->isUp()) return;
  std::vector<std::string> users;
  for (auto& [user, state] : online_) {
    if (state.hears && state.missed && !state.isRefilling) users.push_back(user);
  }
  for (const std::string& user : users) refill(user);
}

// ---- messages ----

void RedisPeople::onText(const std::string& user, std::string_view text) {
  const std::size_t space = text.find(' ');
  Post post;
  if (space == std::string_view::npos || !postFromJson(text.substr(space + 1), &post)) return;
  stampPost(text.substr(0, space), &post);
  const auto found = online_.find(user);
  if (found == online_.end()) return;
  User& state = found->second;
  if (post.to == user && state.missed) {
    // What is dropped here is in the inbox.
    if (state.held.size() < node_->limits().inboxPosts) state.held.push_back(std::move(post));
  } else if (post.to == user) {
    hear(&state, post);
  } else {
    // From somebody here. To somebody here, too, it has come by the recipient's channel, right before.
    const auto recipient = online_.find(post.to);
    const bool hasCome = recipient != online_.end() && recipient->second.hears;
    if (!hasCome && post.messageId != lastDirect_) events_->onDirect(post);
  }
}

// A message to somebody here, unless it has come already.
void RedisPeople::hear(User* state, const Post& post) {
  if (!isBehind(post.messageId, state->last)) return;
  state->last = post.messageId;
  lastDirect_ = post.messageId;
  events_->onDirect(post);
}

// What came while nobody listened and still waits.
void RedisPeople::refill(const std::string& user) {
  online_[user].isRefilling = true;
  readInbox(user, nullptr, [this, user](Status status, const std::vector<Post>& posts) {
    const auto found = online_.find(user);
    if (found == online_.end()) return;
    User& state = found->second;
    state.isRefilling = false;
    if (status != Status::kOk || !state.hears) return;  // onTick() or onHears() tries again
    state.missed = false;
    for (const Post& post : posts) hear(&state, post);
    for (const Post& post : std::exchange(state.held, {})) hear(&state, post);
  });
}

void RedisPeople::inbox(const std::string& user, Loop* loop, PostsDone done) {
  if (!node_->isUp()) {
    node_->tell(loop, done, Status::kUnavailable, std::vector<Post>());
    return;
  }
  // Between what was read and what is heard nothing must fall.
  const auto found = online_.find(user);
  if (found != online_.end() && !found->second.hears) {
    found->second.inboxes.push_back({loop, std::move(done)});
  } else {
    readInbox(user, loop, std::move(done));
  }
}

// Without `loop`: `done` is called at once.
void RedisPeople::readInbox(const std::string& user, Loop* loop, PostsDone done) {
  const auto finish = [this, loop, done = std::move(done)](Status status, std::vector<Post> posts) {
    if (loop != nullptr) {
      node_->tell(loop, done, status, std::move(posts));
    } else {
      done(status, std::move(posts));
    }
  };
  const std::string key = node_->key("i:", user);
  const std::string count = std::to_string(node_->limits().inboxPosts);
  const bool asks = node_->command({"XRANGE", key, "-", "+", "COUNT", count}, [this, finish](const RedisValue& reply) {
    if (reply.isGood()) {
      finish(Status::kOk, postsFrom(reply));
      return;
    }
    if (reply.isError()) {
      node_->countError("inbox", reply);
      node_->isAway(reply);
    }
    finish(Status::kUnavailable, {});
  });
  if (!asks) finish(Status::kUnavailable, {});
}

// What is not taken out now comes once more at the next login, and is known to the client.
void RedisPeople::received(const std::string& user, const std::vector<std::string>& messageIds) {
  std::vector<std::string_view> words = {user};
  for (const std::string& id : messageIds) {
    if (isMessageId(id) && words.size() <= kMaxIds) words.push_back(id);
  }
  if (words.size() == 1) return;
  node_->run(RedisScripts::received, words, [this](const RedisValue& reply) {
    if (reply.isError()) node_->countError("received", reply);
  });
}

void RedisPeople::send(const Post& post, Loop* loop, std::function<void(Sent)> done) {
  const bool isDirect = post.room.empty();
  const std::string json = postToJson(post);
  const RedisOptions& options = node_->options();
  const std::string limit = std::to_string(isDirect ? node_->limits().inboxPosts : node_->limits().roomPosts);
  const std::string dedupe = milliseconds(options.dedupeSeconds);
  const std::string keep = milliseconds(options.roomSeconds);
  const auto onReply = [this, loop, done](const RedisValue& reply) {
    Sent sent;
    if (reply.isError()) {
      node_->countError("send", reply);
      node_->isAway(reply);
    } else if (reply[0].text() == "unknown") {
      sent.status = Status::kNotFound;
    } else if (reply[0].text() == "full") {
      sent.status = Status::kFull;
    } else if (!reply.isLost()) {
      sent = {Status::kOk, reply[1].string(), reply[2].number() == 1};
    }
    node_->tell(loop, done, sent);
  };
  const bool asks = node_->isUp() && node_->run(isDirect ? RedisScripts::sendDirect : RedisScripts::sendRoom,
                                                {json, post.from, isDirect ? post.to : post.room, post.id, dedupe,
                                                 limit, keep},
                                                onReply);
  if (!asks) node_->tell(loop, done, Sent());
}

}  // namespace ai_chat
