#include "redis_answers.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "chat_metrics.h"
#include "log.h"
#include "redis_json.h"

namespace ai_chat {

namespace {

constexpr std::size_t kBatchBytes = 64 * 1024;
constexpr std::size_t kBatchMessages = 256;
constexpr std::size_t kMaxSentBytes = 8 * 1024 * 1024;
constexpr std::size_t kMaxAbandoned = 10000;
constexpr std::size_t kMaxChannels = 500;  // in one command
// An answer under way may be silent for long; one whose node is gone ends up with Limits::answerSeconds.
constexpr double kSilentSeconds = 3600;

std::string milliseconds(double seconds) { return std::to_string(static_cast<std::int64_t>(seconds * 1000)); }

}  // namespace

// ---- names ----

NodeLost::NodeLost(const std::string& requestId) {
  const std::string errorBegin = "{\"type\":\"error\",\"requestId\":" + quotedJson(requestId);
  const std::string endBegin = "{\"type\":\"stream\",\"requestId\":" + quotedJson(requestId);
  errorHead = errorBegin + ",\"seq\":";
  errorTail =
      ",\"code\":\"node_lost\",\"message\":\"The server that made this answer is gone. Ask again.\","
      "\"retryable\":true}";
  endHead = endBegin + ",\"seq\":";
  endTail = ",\"content\":\"\",\"done\":true,\"finish_reason\":\"error\"}";
  error = errorBegin + errorTail;
  end = endBegin + endTail;
}

bool answerFromKey(std::string_view key, AnswerId* id) {
  const std::size_t colon = key.find(':');
  if (colon == std::string_view::npos) return false;
  const std::size_t size = std::strtoull(std::string(key.substr(0, colon)).c_str(), nullptr, 10);
  const std::string_view rest = key.substr(colon + 1);
  if (size < 2 || rest.size() < size + 1 || rest[size] != ':' || rest[1] != ':') return false;
  const std::string name(rest.substr(2, size - 2));
  id->scope = rest[0] == 'r' ? Scope::room(name) : Scope::session(name);
  id->requestId = std::string(rest.substr(size + 1));
  return true;
}

// ---- one answer ----

class RedisAnswers::Copy : public AnswerLog::Reader, public std::enable_shared_from_this<Copy> {
 public:
  enum class State { kUnclaimed, kClaiming, kWriting };

  Copy(RedisAnswers* answers, std::shared_ptr<AnswerLog> answerLog)
      : log(std::move(answerLog)), key(log->id().key()), loop_(answers->node_->loop()), answers_(answers->alive_) {}

  // In the writer's thread.
  void onMore() override {
    loop_->runInLoop([self = shared_from_this()] {
      if (const auto answers = self->answers_.lock()) (*answers)->pump(self);
    });
  }
  void onStatus(const AnswerLog::Message& json) override {
    loop_->runInLoop([self = shared_from_this(), json] {
      const auto answers = self->answers_.lock();
      if (!answers || self->state != State::kWriting || !(*answers)->node_->isUp()) return;
      RedisNode* const node = (*answers)->node_;
      node->command({"PUBLISH", node->key("a:", self->key), "0 " + *json}, [](const RedisValue&) {});
    });
  }
  bool paces() const override { return false; }

  void answerTo(RedisNode* node, Claim claim) {
    if (claimed) node->tell(loop, std::exchange(claimed, nullptr), claim);
  }

  const std::shared_ptr<AnswerLog> log;
  const std::string key;
  std::string owner;
  std::string room;                    // announced there
  State state = State::kUnclaimed;
  std::function<void(Claim)> claimed;  // until it has been told
  Loop* loop = nullptr;                // for that
  std::uint64_t sent = 0;              // seq of the last one that was sent
  bool sentDone = false;
  std::uint64_t written = 0;           // seq of the last one that Redis has
  std::size_t sentBytes = 0;           // under way; 0: nothing is
  bool isWaiting = false;              // stands in waiting_
  bool isStalled = false;              // tried again with the next heartbeat
  muduo::Timestamp doneAt;

 private:
  Loop* const loop_;
  const std::weak_ptr<RedisAnswers*> answers_;
};

RedisAnswers::RedisAnswers(RedisNode* node) : node_(node), alive_(std::make_shared<RedisAnswers*>(this)) {}

RedisAnswers::~RedisAnswers() {
  for (const auto& [key, copy] : copies_) copy->log->removeReader(copy.get());
}

// ---- whose it is ----

void RedisAnswers::claim(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Claim)> done) {
  const auto copy = std::make_shared<Copy>(this, log);
  copy->owner = node_->id() + "/" + std::to_string(++claims_);
  copy->claimed = std::move(done);
  copy->loop = loop;
  if (const auto known = copies_.find(copy->key); known != copies_.end()) {
    // The same answer a second time: it is being made here.
    copy->answerTo(node_, Claim::kTheirs);
    return;
  }
  copies_[copy->key] = copy;
  if (node_->isUp()) {
    claimAtRedis(copy);
  } else {
    copy->answerTo(node_, Claim::kOurs);
  }
}

void RedisAnswers::claimAtRedis(const CopyPtr& copy) {
  const std::string keep = milliseconds(node_->limits().answerSeconds + kSilentSeconds);
  const std::string beat = milliseconds(node_->options().nodeLost);
  const bool asks = node_->run(RedisScripts::claim, {copy->key, copy->owner, keep, beat},
                               [this, copy](const RedisValue& reply) { onClaimed(copy, reply); });
  copy->state = asks ? Copy::State::kClaiming : Copy::State::kUnclaimed;
  copy->isStalled = !asks;
  if (!asks) copy->answerTo(node_, Claim::kOurs);
}

void RedisAnswers::onClaimed(const CopyPtr& copy, const RedisValue& reply) {
  copy->state = Copy::State::kUnclaimed;
  if (!reply.isGood()) {
    // Nobody can say whose it is: it is made here, and claimed when Redis can be asked.
    copy->answerTo(node_, Claim::kOurs);
    if (reply.isError()) {
      node_->countError("claim", reply);
      copy->isStalled = !node_->isAway(reply);
    }
    return;
  }
  if (reply[0].number() == 0) {
    if (!copy->claimed) Log(Log::kWarning, "redis_answer_lost").add("requestId", copy->log->id().requestId);
    copy->answerTo(node_, Claim::kTheirs);
    forget(copy);
    return;
  }
  copy->answerTo(node_, Claim::kOurs);
  copy->state = Copy::State::kWriting;
  copy->written = copy->sent = static_cast<std::uint64_t>(reply[1].number());
  if (!copy->room.empty()) announceAtRedis(copy);
  // The log may be longer than what Redis has: after a loss, or as it was made without Redis.
  copy->log->removeReader(copy.get());
  copy->log->addReader(copy, copy->written);
  pump(copy);
}

void RedisAnswers::announce(const std::string& room, const std::shared_ptr<AnswerLog>& log) {
  const auto found = copies_.find(log->id().key());
  if (found == copies_.end()) return;
  found->second->room = room;
  if (found->second->state == Copy::State::kWriting) announceAtRedis(found->second);
}

void RedisAnswers::announceAtRedis(const CopyPtr& copy) {
  node_->run(RedisScripts::announce, {copy->room, copy->key, copy->log->id().requestId, node_->id()},
             [this](const RedisValue& reply) {
               if (reply.isError()) node_->countError("announce", reply);
             });
}

// ---- copying ----

void RedisAnswers::pump(const CopyPtr& copy) {
  if (copy->state != Copy::State::kWriting || copy->sentBytes > 0 || copy->isWaiting || copy->isStalled) return;
  if (!node_->isUp()) return;
  if (sentBytes_ >= kMaxSentBytes) {
    copy->isWaiting = true;
    waiting_.push_back(copy);
    return;
  }
  send(copy);
}

void RedisAnswers::send(const CopyPtr& copy) {
  std::vector<AnswerLog::Message> messages;
  std::size_t bytes = 0;
  bool isEnd = false;
  std::uint64_t first = 0;
  while (bytes < kBatchBytes && messages.size() < kBatchMessages && !isEnd) {
    AnswerLog::Next next = copy->log->read(copy.get());
    if (!next.json) break;
    if (messages.empty()) first = next.seq;
    bytes += next.json->size() + 1;
    isEnd = next.done;
    messages.push_back(std::move(next.json));
  }
  if (messages.empty()) {
    // The end may have been written by a batch whose reply was lost.
    if (copy->log->done() && copy->written >= copy->log->last()) forget(copy);
    return;
  }

  const double keep = node_->limits().answerSeconds + (isEnd ? 0 : kSilentSeconds);
  const std::string keepText = milliseconds(keep);
  const std::string firstText = std::to_string(first);
  std::vector<std::string_view> words = {copy->key, copy->owner, keepText, isEnd ? "1" : "0", firstText};
  for (const AnswerLog::Message& message : messages) words.push_back(*message);
  const bool isSent = node_->run(RedisScripts::append, words,
                                 [this, copy](const RedisValue& reply) { onAppended(copy, reply); });
  if (!isSent) {
    copy->log->rewind(copy.get(), copy->written);
    copy->isStalled = true;
    return;
  }
  copy->sent = first + messages.size() - 1;
  copy->sentDone = isEnd;
  copy->sentBytes = bytes;
  sentBytes_ += bytes;
}

void RedisAnswers::onAppended(const CopyPtr& copy, const RedisValue& reply) {
  sentBytes_ -= std::exchange(copy->sentBytes, 0);
  if (reply.isLost()) {
    copy->state = Copy::State::kUnclaimed;  // onUp() goes on
    return;
  }
  if (reply.isError()) {
    node_->countError("append", reply);
    copy->isStalled = !node_->isAway(reply);
    copy->log->rewind(copy.get(), copy->written);
  } else if (reply[0].text() == "lost") {
    // This node was taken for dead, and the answer has got an end. Who reads it here gets all of it.
    Log(Log::kWarning, "redis_answer_lost").add("requestId", copy->log->id().requestId);
    forget(copy);
  } else if (reply[0].text() == "unknown") {
    // Redis has lost it, the log has not.
    claimAtRedis(copy);
  } else {
    copy->written = static_cast<std::uint64_t>(reply[1].number());
    if (copy->written < copy->sent) {
      copy->log->rewind(copy.get(), copy->written);
    } else if (copy->sentDone) {
      forget(copy);
    }
    if (copies_.count(copy->key) != 0) pump(copy);
  }
  pumpWaiting();
}

void RedisAnswers::pumpWaiting() {
  while (!waiting_.empty() && sentBytes_ < kMaxSentBytes) {
    const CopyPtr copy = waiting_.front().lock();
    waiting_.pop_front();
    if (!copy) continue;
    copy->isWaiting = false;
    pump(copy);
  }
}

void RedisAnswers::forget(const CopyPtr& copy) {
  if (!copy->room.empty()) {
    node_->command({"ZREM", node_->key("ra:", copy->room), copy->key}, [](const RedisValue&) {});
  }
  copy->log->removeReader(copy.get());
  copy->log->setReadElsewhere(false);
  copy->state = Copy::State::kUnclaimed;
  const auto found = copies_.find(copy->key);
  if (found != copies_.end() && found->second == copy) copies_.erase(found);
}

// ---- Redis comes and goes ----

void RedisAnswers::onUp() {
  loseAbandoned();
  std::vector<CopyPtr> all;
  for (const auto& [key, copy] : copies_) all.push_back(copy);
  for (const CopyPtr& copy : all) claimAtRedis(copy);
}

void RedisAnswers::onForgotten() {
  std::vector<CopyPtr> idle;  // the others see it when they write
  for (const auto& [key, copy] : copies_) {
    if (copy->state == Copy::State::kWriting && copy->sentBytes == 0) idle.push_back(copy);
  }
  for (const CopyPtr& copy : idle) claimAtRedis(copy);
}

void RedisAnswers::onDown() {
  waiting_.clear();
  for (const auto& [key, copy] : copies_) {
    copy->isWaiting = false;
    copy->isStalled = false;
    copy->state = Copy::State::kUnclaimed;
    copy->log->setReadElsewhere(false);
  }
}

void RedisAnswers::onTick() {
  std::vector<CopyPtr> stalled;
  std::vector<CopyPtr> late;
  const muduo::Timestamp now = muduo::Timestamp::now();
  for (const auto& [key, copy] : copies_) {
    if (node_->isUp() && std::exchange(copy->isStalled, false)) stalled.push_back(copy);
    if (!copy->log->done()) continue;
    if (!copy->doneAt.valid()) copy->doneAt = now;
    if (!node_->isUp() && muduo::timeDifference(now, copy->doneAt) > node_->limits().answerSeconds) {
      late.push_back(copy);
    }
  }
  for (const CopyPtr& copy : stalled) {
    copy->state == Copy::State::kUnclaimed ? claimAtRedis(copy) : pump(copy);
  }
  for (const CopyPtr& copy : late) giveUp(copy);
  if (node_->isUp()) askWhoReads();
}

// Of those without a reader here, whether other nodes listen: an answer is not to be cancelled because its reader went there.
void RedisAnswers::askWhoReads() {
  std::vector<CopyPtr> asked;
  std::vector<std::string> words = {"PUBSUB", "NUMSUB"};
  const auto ask = [&] {
    if (asked.empty()) return;
    node_->command(std::vector<std::string_view>(words.begin(), words.end()), [asked](const RedisValue& reply) {
      for (std::size_t i = 0; i < asked.size() && 2 * i + 1 < reply.size(); ++i) {
        asked[i]->log->setReadElsewhere(reply[2 * i + 1].number() > 0);
      }
    });
    asked.clear();
    words.resize(2);
  };
  for (const auto& [key, copy] : copies_) {
    if (copy->state != Copy::State::kWriting || copy->log->done() || copy->log->readers() > 0) continue;
    asked.push_back(copy);
    words.push_back(node_->key("a:", key));
    if (asked.size() == kMaxChannels) ask();
  }
  ask();
}

// Redis has been away for longer than anybody may resume the answer.
void RedisAnswers::giveUp(const CopyPtr& copy) {
  if (copy->written > 0 || !copy->claimed) {
    abandoned_.push_back({copy->log->id(), copy->owner});
    if (abandoned_.size() > kMaxAbandoned) abandoned_.pop_front();
  }
  forget(copy);
}

void RedisAnswers::loseAbandoned() {
  const std::string keep = milliseconds(node_->limits().answerSeconds);
  for (const Abandoned& one : std::exchange(abandoned_, {})) {
    const NodeLost text(one.id.requestId);
    node_->run(RedisScripts::lose,
               {one.id.key(), one.owner, keep, "1", text.errorHead, text.errorTail, text.endHead, text.endTail},
               [](const RedisValue&) {});
  }
}

bool RedisAnswers::isWritten() const {
  return std::all_of(copies_.begin(), copies_.end(), [](const auto& entry) {
    const Copy& copy = *entry.second;
    return copy.state == Copy::State::kWriting && copy.sentBytes == 0 && copy.written >= copy.log->last();
  });
}

}  // namespace ai_chat
