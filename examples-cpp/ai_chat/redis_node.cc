#include "redis_node.h"

#include <utility>

#include "chat_metrics.h"
#include "digest.h"
#include "log.h"

namespace ai_chat {

namespace {

double since(muduo::Timestamp time) { return muduo::timeDifference(muduo::Timestamp::now(), time); }

std::string milliseconds(double seconds) { return std::to_string(static_cast<std::int64_t>(seconds * 1000)); }

const RedisScript* const kScripts[] = {
    &RedisScripts::heartbeat, &RedisScripts::holdAll,  &RedisScripts::hold,       &RedisScripts::drop,
    &RedisScripts::leaveAll,  &RedisScripts::addExchange, &RedisScripts::claim,   &RedisScripts::append,
    &RedisScripts::read,      &RedisScripts::lose,     &RedisScripts::stop,       &RedisScripts::login,
    &RedisScripts::sendDirect, &RedisScripts::sendRoom, &RedisScripts::received,  &RedisScripts::look,
    &RedisScripts::announce};

}  // namespace

RedisNode::RedisNode(Loop* loop, const RedisOptions& options, const Store::Limits& limits, ChatMetrics* metrics,
                     Callbacks callbacks)
    : loop_(loop),
      options_(options),
      limits_(limits),
      metrics_(metrics),
      callbacks_(std::move(callbacks)),
      id_((options.node.empty() ? "node" : options.node) + ":" + randomHex(6)),
      alive_(std::make_shared<RedisNode*>(this)),
      commands_(loop, options.address, "ai_chat",
                {[this] { onCommandsUp(); }, [this](const std::string& why) { fail("commands", why); }, {}}),
      subscriptions_(loop, options.address, "ai_chat-subscriptions",
                     {[this] { channels_.onUp(); }, [this](const std::string& why) { fail("subscriptions", why); },
                      [this](const RedisValue& push) { channels_.onPush(push); }}),
      channels_(&subscriptions_) {}

RedisNode::~RedisNode() { alive_.reset(); }

void RedisNode::start() {
  heardAt_ = muduo::Timestamp::now();
  channels_.subscribe(key("n:", id_), {[this] { onSubscriptionsReady(); },
                                       [this](std::string_view text) {
                                         if (text == "beat") {
                                           heardAt_ = muduo::Timestamp::now();
                                         } else if (!isLeaving_) {
                                           callbacks_.onAsked(text);
                                         }
                                       }});
  commands_.start();
  subscriptions_.start();
  repeat();
}

// ---- up and down ----

void RedisNode::onCommandsUp() {
  for (const RedisScript* script : kScripts) {
    commands_.command({"SCRIPT", "LOAD", script->text()}, [](const RedisValue&) {});
  }
  hasHoldings_ = false;
  beats_ = false;
  beat();
}

void RedisNode::onSubscriptionsReady() {
  hears_ = true;
  heardAt_ = muduo::Timestamp::now();
  mayBeUp();
}

void RedisNode::mayBeUp() {
  if (isUp_ || isLeaving_ || !hasHoldings_ || !hears_) return;
  isUp_ = true;
  upSince_ = muduo::Timestamp::now();
  if (wasUp_) ++metrics_->storeReconnects;
  metrics_->storeDegraded = false;
  complained_ = false;
  Log(Log::kInfo, wasUp_ ? "redis_back" : "redis_connected").add("node", id_);
  wasUp_ = true;
  callbacks_.onUp();
}

// Both go together: so what was sent before is over when something new begins.
void RedisNode::fail(const char* which, const std::string& why) {
  if (!std::exchange(complained_, true) && !isLeaving_) {
    Log(Log::kWarning, wasUp_ ? "redis_lost" : "redis_unreachable")
        .add("host", options_.address.host)
        .add("port", options_.address.port)
        .add("connection", which)
        .add("why", why);
  }
  hears_ = false;
  hasHoldings_ = false;
  if (commands_.isUp()) commands_.drop("the other connection was lost");
  if (subscriptions_.isUp()) subscriptions_.drop("the other connection was lost");
  channels_.onDown();
  metrics_->storeDegraded = true;
  if (!std::exchange(isUp_, false)) return;
  callbacks_.onDown();
}

bool RedisNode::isSettled() const { return isUp_ && since(upSince_) > options_.nodeLost; }

// ---- the heartbeat ----

void RedisNode::repeat() {
  loop_->runAfter(options_.heartbeat, [alive = std::weak_ptr<RedisNode*>(alive_)] {
    if (const auto self = alive.lock()) (*self)->tick();
  });
}

void RedisNode::tick() {
  repeat();
  if (beats_ && since(beatAt_) > options_.patience) {
    commands_.drop("no reply for " + milliseconds(options_.patience) + " ms");
  } else if (isUp_ && since(heardAt_) > options_.patience) {
    subscriptions_.drop("no message for " + milliseconds(options_.patience) + " ms");
  }
  beat();
  callbacks_.onTick();
}

void RedisNode::beat() {
  if (beats_ || isLeaving_ || !commands_.isUp()) return;
  const std::string lost = milliseconds(options_.nodeLost);
  beats_ = run(RedisScripts::heartbeat, {id_, lost, isSettled() ? "1" : "0"}, [this](const RedisValue& reply) {
    beats_ = false;
    if (reply.isLost() || isLeaving_) return;
    if (reply.isError()) {
      // It is there, but takes no writes: that is as good as away.
      commands_.drop("the heartbeat was refused: " + reply.error());
    } else if (!hasHoldings_ || reply.number() == 0) {
      // It is a new Redis, or the others have buried this node meanwhile.
      const std::vector<std::string> holdings = callbacks_.holdings();
      std::vector<std::string_view> words = {id_};
      words.insert(words.end(), holdings.begin(), holdings.end());
      run(RedisScripts::holdAll, words, [this](const RedisValue& held) {
        if (held.isError()) commands_.drop("what this node holds was refused: " + held.error());
        if (!held.isGood()) return;
        if (std::exchange(hasHoldings_, true)) {
          callbacks_.onForgotten();
        } else {
          mayBeUp();
        }
      });
    }
  });
  beatAt_ = muduo::Timestamp::now();
}

// ---- commands ----

bool RedisNode::command(const std::vector<std::string_view>& words, Done done) {
  return commands_.command(words, std::move(done));
}

bool RedisNode::run(const RedisScript& script, const std::vector<std::string_view>& words, Done done) {
  std::vector<std::string_view> all = {"EVALSHA", script.sha1(), "1", options_.prefix};
  all.insert(all.end(), words.begin(), words.end());
  // Redis forgets scripts when it is told to: then it gets the text.
  std::vector<std::string> copies(words.begin(), words.end());
  return commands_.command(all, [this, &script, copies = std::move(copies), done = std::move(done)](
                                    const RedisValue& reply) {
    if (!reply.isError() || reply.text().substr(0, 8) != "NOSCRIPT") {
      done(reply);
      return;
    }
    std::vector<std::string_view> again = {"EVAL", script.text(), "1", options_.prefix};
    again.insert(again.end(), copies.begin(), copies.end());
    if (!commands_.command(again, done)) done(RedisValue());
  });
}

void RedisNode::countError(std::string_view what, const RedisValue& reply) {
  ++metrics_->storeErrors;
  if (reply.isError()) Log(Log::kWarning, "redis_error").add("what", what).add("error", reply.error());
}

bool RedisNode::isAway(const RedisValue& reply) {
  if (!reply.isError()) return reply.isLost();
  for (const char* const word : {"OOM ", "READONLY ", "MISCONF ", "LOADING ", "NOREPLICAS ", "MASTERDOWN ", "BUSY ",
                                 "NOAUTH ", "NOPERM "}) {
    if (reply.text().find(word) == std::string_view::npos) continue;  // in a script's error it is not the first word
    commands_.drop(reply.error());
    return true;
  }
  return false;
}

// ---- leaving ----

void RedisNode::leave(std::function<void()> done) {
  isLeaving_ = true;
  isUp_ = false;
  run(RedisScripts::leaveAll, {id_}, [](const RedisValue&) {});
  subscriptions_.quit([] {});
  commands_.quit(std::move(done));
}

}  // namespace ai_chat
