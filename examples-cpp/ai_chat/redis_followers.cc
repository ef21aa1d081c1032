#include "redis_followers.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "redis_answers.h"

namespace ai_chat {

namespace {

constexpr std::size_t kPage = 256;         // messages
constexpr double kSilence = 3;             // seconds without news, then Redis is asked
constexpr int kMaxMisses = 3;

bool isWithin(std::string_view text, const std::string& head, const std::string& tail) {
  return text.size() > head.size() + tail.size() && text.substr(0, head.size()) == head &&
         text.substr(text.size() - tail.size()) == tail;
}

void append(AnswerLog* log, std::uint64_t seq, std::string_view json, bool done) {
  constexpr std::string_view kError = "{\"type\":\"error\"";  // not of each piece the whole texts
  if (json.substr(0, kError.size()) == kError) {
    const NodeLost lost(log->id().requestId);
    if (isWithin(json, lost.errorHead, lost.errorTail)) {
      log->lose(seq, std::make_shared<const std::string>(lost.error), std::make_shared<const std::string>(lost.end));
    }
  }
  log->append(seq, std::make_shared<const std::string>(json), done);
}

}  // namespace

void RedisFollowers::follow(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Found)> done) {
  if (!node_->isUp()) {
    node_->tell(loop, done, Found::kUnavailable);
    return;
  }
  const auto follower = std::make_shared<Follower>();
  follower->log = log;
  follower->loop = loop;
  follower->found = std::move(done);
  follower->newsAt = muduo::Timestamp::now();

  const std::string key = log->id().key();
  Followers& followers = channels_[key];
  followers.push_back(follower);
  if (followers.size() > 1) {
    read(key, follower);
    return;
  }
  // First the channel, then what is there: so nothing falls in between.
  node_->channels().subscribe(node_->key("a:", key), {[this, key] {
                                                        const auto known = channels_.find(key);
                                                        if (known == channels_.end()) return;
                                                        for (const FollowerPtr& one : Followers(known->second)) {
                                                          read(key, one);
                                                        }
                                                      },
                                                      [this, key](std::string_view text) { onText(key, text); }});
}

// ---- news ----

void RedisFollowers::onText(const std::string& key, std::string_view text) {
  const auto known = channels_.find(key);
  const std::size_t space = text.find(' ');
  if (known == channels_.end() || space == std::string_view::npos || space == 0) return;
  if (text[0] == '=') {
    for (const FollowerPtr& follower : Followers(known->second)) {
      if (follower->maker != text.substr(space + 1)) read(key, follower);
    }
    sweep(key);
    return;
  }
  const std::uint64_t seq = std::strtoull(std::string(text.substr(0, space)).c_str(), nullptr, 10);
  const bool done = text[space - 1] == '!';
  const std::string_view json = text.substr(space + 1);
  for (const FollowerPtr& follower : Followers(known->second)) {
    const std::shared_ptr<AnswerLog> log = follower->log.lock();
    if (!log || follower->isOver) continue;
    follower->newsAt = muduo::Timestamp::now();
    if (seq == 0) {
      log->status(std::make_shared<const std::string>(json));
    } else if (seq == log->last() + 1 && !follower->isReading) {
      append(log.get(), seq, json, done);
      follower->misses = 0;
      if (done) follower->isOver = true;
    } else if (seq > log->last()) {
      // A gap, or what is there has not been read yet.
      read(key, follower);
    }
  }
  sweep(key);
}

// ---- what is there ----

void RedisFollowers::read(const std::string& key, const FollowerPtr& follower) {
  if (follower->isReading) {
    follower->readsAgain = true;
    return;
  }
  const std::shared_ptr<AnswerLog> log = follower->log.lock();
  if (!log || follower->isOver || !node_->isUp()) return;
  follower->newsAt = muduo::Timestamp::now();
  follower->isReading =
      node_->run(RedisScripts::read, {key, std::to_string(log->last()), std::to_string(kPage)},
                 [this, key, follower](const RedisValue& reply) {
                   follower->isReading = false;
                   onRead(key, follower, reply);
                   sweep(key);
                 });
  if (!follower->isReading) tell(follower, Found::kUnavailable);
}

void RedisFollowers::onRead(const std::string& key, const FollowerPtr& follower, const RedisValue& reply) {
  const std::shared_ptr<AnswerLog> log = follower->log.lock();
  const bool again = std::exchange(follower->readsAgain, false);
  if (!log || follower->isOver) return;
  if (!reply.isGood()) {
    if (reply.isError()) {
      node_->countError("read", reply);
      node_->isAway(reply);
    }
    tell(follower, Found::kUnavailable);
    return;
  }
  if (reply.size() == 0) {
    onMissing(follower);
    return;
  }

  const std::uint64_t before = log->last();
  if (before == 0) follower->maker = reply[5].string();
  if (follower->maker != reply[5].text()) {
    // Redis has lost it, and then got what yet another node made under this name.
    endLost(follower);
    return;
  }
  const RedisValue entries = reply[4];
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::uint64_t seq = std::strtoull(entries[i][0].string().c_str(), nullptr, 10);
    append(log.get(), seq, entries[i][1][1].text(), entries[i][1].size() > 2);
  }
  tell(follower, Found::kFound);
  const bool isBehind = log->last() < static_cast<std::uint64_t>(reply[1].number());
  if (log->done()) {
    follower->isOver = true;
  } else if (isBehind && log->last() == before) {
    onMissing(follower);  // the beginning of the rest has been dropped
  } else if (isBehind || again) {
    follower->misses = 0;
    read(key, follower);
  } else {
    follower->misses = 0;
    if (reply[0].number() == 0 && node_->isSettled()) lose(key, follower, reply[3].string());
  }
}

// Redis has lost it. Its node, if that is there, writes it once more.
void RedisFollowers::onMissing(const FollowerPtr& follower) {
  if (follower->found) {
    tell(follower, Found::kUnknown);
    return;
  }
  if (++follower->misses >= kMaxMisses) endLost(follower);  // else onTick() looks again
}

void RedisFollowers::endLost(const FollowerPtr& follower) {
  const std::shared_ptr<AnswerLog> log = follower->log.lock();
  const NodeLost text(log->id().requestId);
  const std::string error = std::to_string(log->last() + 1);
  append(log.get(), log->last() + 1, text.errorHead + error + text.errorTail, false);
  const std::string end = std::to_string(log->last() + 1);
  append(log.get(), log->last() + 1, text.endHead + end + text.endTail, true);
  follower->isOver = true;
}

// The node that made it is gone: whoever sees that first writes the end, which then comes to all.
void RedisFollowers::lose(const std::string& key, const FollowerPtr& follower, const std::string& owner) {
  const std::shared_ptr<AnswerLog> log = follower->log.lock();
  const NodeLost text(log->id().requestId);
  const std::string keep = std::to_string(static_cast<std::int64_t>(node_->limits().answerSeconds * 1000));
  node_->run(RedisScripts::lose,
             {key, owner, keep, "0", text.errorHead, text.errorTail, text.endHead, text.endTail},
             [this, key, follower](const RedisValue& reply) {
               if (reply.isGood()) read(key, follower);
             });
}

void RedisFollowers::tell(const FollowerPtr& follower, Found found) {
  if (!follower->found) return;
  node_->tell(follower->loop, std::exchange(follower->found, nullptr), found);
  if (found != Found::kFound) follower->isOver = true;
}

// ---- beginnings and ends ----

void RedisFollowers::sweep(const std::string& key) {
  const auto known = channels_.find(key);
  if (known == channels_.end()) return;
  Followers& followers = known->second;
  const auto isOver = [](const FollowerPtr& one) { return one->isOver || one->log.expired(); };
  followers.erase(std::remove_if(followers.begin(), followers.end(), isOver), followers.end());
  if (!followers.empty()) return;
  channels_.erase(known);
  node_->channels().unsubscribe(node_->key("a:", key));
}

// The channels may have been heard again before Redis could be asked.
void RedisFollowers::onUp() {
  std::vector<std::string> keys;
  for (const auto& [key, followers] : channels_) keys.push_back(key);
  for (const std::string& key : keys) {
    for (const FollowerPtr& one : Followers(channels_[key])) read(key, one);
  }
}

void RedisFollowers::onDown() {
  std::vector<std::string> keys;
  for (const auto& [key, followers] : channels_) {
    keys.push_back(key);
    for (const FollowerPtr& one : followers) tell(one, Found::kUnavailable);
  }
  for (const std::string& key : keys) sweep(key);
}

void RedisFollowers::onTick() {
  const muduo::Timestamp now = muduo::Timestamp::now();
  std::vector<std::string> keys;
  for (const auto& [key, followers] : channels_) keys.push_back(key);
  for (const std::string& key : keys) {
    sweep(key);
    const auto known = channels_.find(key);
    if (known == channels_.end() || !node_->isUp()) continue;
    for (const FollowerPtr& one : Followers(known->second)) {
      if (!one->isReading && muduo::timeDifference(now, one->newsAt) > kSilence) read(key, one);
    }
  }
}

}  // namespace ai_chat
