#include "redis_store.h"

#include <utility>

#include "chat_metrics.h"
#include "redis_answers.h"
#include "redis_conversations.h"
#include "redis_followers.h"
#include "redis_people.h"
#include "redis_rooms.h"
#include "token_hash.h"

namespace ai_chat {

namespace {

constexpr double kFlushStep = 0.02;  // seconds

}  // namespace

// Events are queued as callbacks are, so that what happens behind a reply comes behind it in the store's own loop, too.
// Lets nothing through any more once the store stops.
class RedisStore::Gate : public Store::Events {
 public:
  Gate(Loop* loop, Events* events) : loop_(loop), events_(std::make_shared<Events*>(events)) {}
  ~Gate() override { shut(); }
  void shut() { *events_ = nullptr; }

  void onDirect(const Post& post) override {
    queue([post](Events* events) { events->onDirect(post); });
  }
  void onRoomPost(const Post& post) override {
    queue([post](Events* events) { events->onRoomPost(post); });
  }
  void onPresence(const std::string& room, const std::string& user, bool online) override {
    queue([=](Events* events) { events->onPresence(room, user, online); });
  }
  void onRoomAnswer(const std::string& room, const std::string& requestId) override {
    queue([=](Events* events) { events->onRoomAnswer(room, requestId); });
  }
  void onStop(const AnswerId& id) override {
    queue([id](Events* events) { events->onStop(id); });
  }
  void onDegraded(bool degraded) override {
    queue([degraded](Events* events) { events->onDegraded(degraded); });
  }

 private:
  void queue(std::function<void(Events*)> event) {
    loop_->queueInLoop([state = events_, event = std::move(event)] {
      if (*state != nullptr) event(*state);
    });
  }

  Loop* const loop_;
  const std::shared_ptr<Events*> events_;
};

struct RedisStore::Parts {
  Parts(RedisStore* store)
      : node(store->loop_, store->options_, store->limits_, store->metrics_, store->nodeCallbacks()),
        conversations(&node),
        answers(&node),
        followers(&node),
        people(&node, store->events_.get()),
        rooms(&node, store->events_.get()) {}

  // The node goes last, and calls nobody then.
  RedisNode node;
  RedisConversations conversations;
  RedisAnswers answers;
  RedisFollowers followers;
  RedisPeople people;
  RedisRooms rooms;
};

RedisStore::RedisStore(const RedisOptions& options, const Limits& limits, ChatMetrics* metrics)
    : options_(options), limits_(limits), metrics_(metrics), alive_(std::make_shared<RedisStore*>(this)) {}

RedisStore::~RedisStore() {
  if (loop_ != nullptr) loop_->assertInLoopThread();
  alive_.reset();
}

// ---- life ----

void RedisStore::start(Loop* loop, Events* events) {
  loop_ = loop;
  metrics_->storeDegraded = true;
  events_ = std::make_unique<Gate>(loop, events);
  parts_ = std::make_unique<Parts>(this);
  inLoop([](Parts* parts) { parts->node.start(); });
}

RedisNode::Callbacks RedisStore::nodeCallbacks() {
  RedisNode::Callbacks callbacks;
  callbacks.holdings = [this] {
    std::vector<std::string> holdings;
    parts_->people.addHoldings(&holdings);
    parts_->rooms.addHoldings(&holdings);
    return holdings;
  };
  callbacks.onUp = [this] {
    parts_->conversations.onUp();
    parts_->answers.onUp();
    parts_->followers.onUp();
    setDegraded(false);
  };
  callbacks.onDown = [this] {
    parts_->conversations.onDown();
    parts_->answers.onDown();
    parts_->followers.onDown();
    parts_->people.onDown();
    parts_->rooms.onDown();
    setDegraded(true);
  };
  callbacks.onForgotten = [this] { parts_->answers.onForgotten(); };
  callbacks.onTick = [this] {
    parts_->answers.onTick();
    parts_->followers.onTick();
    parts_->people.onTick();
    parts_->rooms.onTick();
    metrics_->storePending = parts_->node.pending() + parts_->conversations.pending();
  };
  callbacks.onAsked = [this](std::string_view text) { onAsked(text); };
  return callbacks;
}

// Always queued, so that calls keep their order and none happens inside an event.
void RedisStore::inLoop(std::function<void(Parts*)> action) {
  loop_->queueInLoop([alive = std::weak_ptr<RedisStore*>(alive_), action = std::move(action)] {
    const auto self = alive.lock();
    if (self && !(*self)->isStopping_) action((*self)->parts_.get());
  });
}

void RedisStore::setDegraded(bool degraded) {
  if (degraded_.exchange(degraded) != degraded) events_->onDegraded(degraded);
}

void RedisStore::stop(double seconds, std::function<void()> done) {
  // What was called before comes first.
  inLoop([this, seconds, done = std::move(done)](Parts* parts) {
    isStopping_ = true;
    events_->shut();
    parts->node.mute();
    const auto end = std::make_shared<std::function<void()>>(done);
    const auto finish = [end, alive = std::weak_ptr<RedisStore*>(alive_)] {
      if (alive.lock() && *end) std::exchange(*end, nullptr)();
    };
    loop_->runAfter(seconds, finish);
    flush(seconds, finish);
  });
}

void RedisStore::flush(double seconds, std::function<void()> done) {
  if (seconds <= 0 || (parts_->conversations.pending() == 0 && parts_->answers.isWritten())) {
    parts_->node.leave(std::move(done));
    return;
  }
  loop_->runAfter(kFlushStep, [this, alive = std::weak_ptr<RedisStore*>(alive_), seconds, done = std::move(done)] {
    if (alive.lock()) flush(seconds - kFlushStep, done);
  });
}

// ---- conversations ----

void RedisStore::history(const Scope& scope, Loop* loop, std::function<void(std::vector<Exchange>)> done) {
  inLoop([=](Parts* parts) { parts->conversations.history(scope, loop, done); });
}

void RedisStore::addExchange(const Scope& scope, const Exchange& exchange, const std::string& replaces, Loop* loop,
                             std::function<void()> done) {
  inLoop([=](Parts* parts) { parts->conversations.add(scope, exchange, replaces, loop, done); });
}

// ---- answers ----

void RedisStore::claim(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Claim)> done) {
  inLoop([=](Parts* parts) { parts->answers.claim(log, loop, done); });
}

void RedisStore::follow(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Found)> done) {
  inLoop([=](Parts* parts) { parts->followers.follow(log, loop, done); });
}

void RedisStore::stopAnswer(const AnswerId& id) {
  inLoop([this, id](Parts* parts) {
    if (parts->answers.makes(id)) {
      events_->onStop(id);
    } else {
      parts->node.run(RedisScripts::stop, {id.key()}, [](const RedisValue&) {});
    }
  });
}

void RedisStore::onAsked(std::string_view text) {
  AnswerId id;
  const std::string_view stop = "stop ";
  if (text.substr(0, stop.size()) == stop && answerFromKey(text.substr(stop.size()), &id)) events_->onStop(id);
}

// ---- people ----

void RedisStore::login(const std::string& user, const std::string& token, Loop* loop,
                       std::function<void(Status)> done) {
  inLoop([=, hash = hashToken(token)](Parts* parts) { parts->people.login(user, hash, false, loop, done); });
}

void RedisStore::admit(const std::string& user, Loop* loop, std::function<void(Status)> done) {
  inLoop([=](Parts* parts) { parts->people.login(user, "", true, loop, done); });
}

void RedisStore::setOnline(const std::string& user, bool online) {
  inLoop([=](Parts* parts) { parts->people.setOnline(user, online); });
}

void RedisStore::inbox(const std::string& user, Loop* loop, std::function<void(Status, std::vector<Post>)> done) {
  inLoop([=](Parts* parts) { parts->people.inbox(user, loop, done); });
}

void RedisStore::received(const std::string& user, const std::vector<std::string>& messageIds) {
  inLoop([=](Parts* parts) { parts->people.received(user, messageIds); });
}

void RedisStore::send(const Post& post, Loop* loop, std::function<void(Sent)> done) {
  inLoop([=](Parts* parts) { parts->people.send(post, loop, done); });
}

// ---- rooms ----

void RedisStore::join(const std::string& room, const std::string& user, Loop* loop,
                      std::function<void(Status, RoomState)> done) {
  inLoop([=](Parts* parts) { parts->rooms.join(room, user, loop, done); });
}

void RedisStore::look(const std::string& room, Loop* loop, std::function<void(Status, RoomState)> done) {
  inLoop([=](Parts* parts) { parts->rooms.look(room, loop, done); });
}

void RedisStore::leave(const std::string& room, const std::string& user) {
  inLoop([=](Parts* parts) { parts->rooms.leave(room, user); });
}

void RedisStore::announce(const std::string& room, const std::shared_ptr<AnswerLog>& log) {
  inLoop([=](Parts* parts) { parts->answers.announce(room, log); });
}

}  // namespace ai_chat
