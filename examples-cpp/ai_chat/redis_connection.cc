#include "redis_connection.h"

#include <fcntl.h>
#include <hiredis/async.h>
#include <unistd.h>

#include <muduo/net/Channel.h>

#include <algorithm>
#include <random>
#include <utility>

#include "host_lookup.h"

namespace ai_chat {

namespace {

constexpr double kFirstPause = 0.05;  // seconds
constexpr double kLongestPause = 1.5;
constexpr int kConnectSeconds = 3;
constexpr std::size_t kMaxPendingBytes = 64 * 1024 * 1024;
constexpr std::size_t kMaxPending = 200000;

// Between half and all of it, so that nodes that lost Redis together do not come back together.
double jittered(double seconds) {
  static thread_local std::minstd_rand random(std::random_device{}());
  return seconds * std::uniform_real_distribution<double>(0.5, 1)(random);
}

// The value of `name` in a line such as "id=3 addr=127.0.0.1:52555 name=".
std::string field(std::string_view line, std::string_view name) {
  const std::string wanted = " " + std::string(name) + "=";
  const std::string padded = " " + std::string(line);
  const std::size_t at = padded.find(wanted);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + wanted.size();
  return padded.substr(begin, padded.find_first_of(" \r\n", begin) - begin);
}

}  // namespace

struct RedisConnection::Pending {
  RedisConnection* owner;
  Done done;
  std::size_t bytes;
};

// hiredis closes its descriptor inside its own callbacks, where a Channel must not be removed: the loop may have an
// event for it in hand. So the Channel sits on a duplicate, and goes when the round of the loop is over.
class RedisWatch : muduo::noncopyable {
 public:
  RedisWatch(muduo::net::EventLoop* loop, int duplicate, std::function<void(bool isWrite)> act)
      : descriptor_(duplicate), channel_(loop, duplicate) {
    const auto call = [this, act](bool isWrite) {
      if (!isRetired_) act(isWrite);
    };
    channel_.setReadCallback([call](muduo::Timestamp) { call(false); });
    channel_.setWriteCallback([call] { call(true); });
    // hiredis finds out what is wrong by trying.
    channel_.setErrorCallback([call, this] { call(channel_.isWriting()); });
    channel_.setCloseCallback([call, this] { call(channel_.isWriting()); });
    channel_.doNotLogHup();
  }
  ~RedisWatch() {
    retire();
    if (isAdded_) channel_.remove();
    ::close(descriptor_);
  }

  void read(bool on) {
    if (isRetired_ || on == channel_.isReading()) return;
    isAdded_ = isAdded_ || on;
    on ? channel_.enableReading() : channel_.disableReading();
  }
  void write(bool on) {
    if (isRetired_ || on == channel_.isWriting()) return;
    isAdded_ = isAdded_ || on;
    on ? channel_.enableWriting() : channel_.disableWriting();
  }
  void retire() {
    if (std::exchange(isRetired_, true)) return;
    if (!channel_.isNoneEvent()) channel_.disableAll();
  }

 private:
  const int descriptor_;
  muduo::net::Channel channel_;
  bool isAdded_ = false;
  bool isRetired_ = false;
};

struct RedisConnection::Link {
  RedisConnection* owner;
  redisAsyncContext* context;
  std::shared_ptr<RedisWatch> watch;
};

RedisConnection::RedisConnection(muduo::net::EventLoop* loop, const RedisAddress& address, const std::string& name,
                                 const Callbacks& callbacks)
    : loop_(loop),
      address_(address),
      name_(name),
      callbacks_(callbacks),
      alive_(std::make_shared<RedisConnection*>(this)) {}

RedisConnection::~RedisConnection() {
  loop_->assertInLoopThread();
  alive_.reset();
  isUp_ = false;
  isClosing_ = true;
  if (link_ != nullptr) redisAsyncFree(link_->context);
}

void RedisConnection::later(double seconds, std::function<void()> action) {
  loop_->runAfter(seconds, [alive = std::weak_ptr<RedisConnection*>(alive_), action = std::move(action)] {
    if (alive.lock()) action();
  });
}

// ---- coming up ----

void RedisConnection::start() {
  loop_->assertInLoopThread();
  connect();
}

void RedisConnection::connect() {
  const std::uint64_t attempt = ++attempt_;
  why_.clear();
  later(kConnectSeconds, [this, attempt] {
    if (attempt == attempt_ && !isUp_) drop("it did not answer within " + std::to_string(kConnectSeconds) + " s");
  });
  lookup_ = lookUpHost(loop_, address_.host, [this, attempt](const HostLookup& found) {
    if (attempt != attempt_ || isClosing_) return;
    if (found.ip.empty()) {
      isGone("its name cannot be resolved: " + found.error);
    } else {
      open(found.ip);
    }
  });
}

void RedisConnection::open(const std::string& ip) {
  redisAsyncContext* const context = redisAsyncConnect(ip.c_str(), address_.port);
  if (context == nullptr || context->err != 0) {
    const std::string why = context == nullptr ? "out of memory" : context->errstr;
    if (context != nullptr) redisAsyncFree(context);
    isGone(why);
    return;
  }
  const int duplicate = ::fcntl(context->c.fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) {
    redisAsyncFree(context);
    isGone("no file descriptor left to watch the connection");
    return;
  }
  redisEnableKeepAlive(&context->c);

  Link* const link = new Link{this, context, nullptr};
  link->watch = std::make_shared<RedisWatch>(loop_, duplicate, [context](bool isWrite) {
    isWrite ? redisAsyncHandleWrite(context) : redisAsyncHandleRead(context);
  });
  context->data = link;
  context->ev.data = link;
  context->ev.addRead = [](void* data) { static_cast<Link*>(data)->watch->read(true); };
  context->ev.delRead = [](void* data) { static_cast<Link*>(data)->watch->read(false); };
  context->ev.addWrite = [](void* data) { static_cast<Link*>(data)->watch->write(true); };
  context->ev.delWrite = [](void* data) { static_cast<Link*>(data)->watch->write(false); };
  // The last of the hooks: every command has had its callback.
  context->ev.cleanup = [](void* data) {
    const std::unique_ptr<Link> ended(static_cast<Link*>(data));
    ended->watch->retire();
    RedisConnection* const owner = ended->owner;
    owner->loop_->queueInLoop([watch = std::move(ended->watch)] {});
    owner->link_ = nullptr;
    const std::string said = ended->context->errstr != nullptr ? ended->context->errstr : "";
    if (owner->alive_) owner->isGone(owner->why_.empty() ? said : owner->why_);
  };
  // A failure is told by `cleanup`, too.
  redisAsyncSetConnectCallback(context, [](const redisAsyncContext* connected, int status) {
    if (status == REDIS_OK) static_cast<Link*>(connected->data)->owner->greet();
  });
  link_ = link;
}

void RedisConnection::greet() {
  const auto must = [this](const char* what) {
    return [this, what](const RedisValue& reply) {
      if (reply.isError()) drop(std::string(what) + " was refused: " + reply.error());
    };
  };
  const auto may = [](const RedisValue&) {};
  if (!address_.password.empty()) {
    if (address_.username.empty()) {
      send({"AUTH", address_.password}, must("AUTH"));
    } else {
      send({"AUTH", address_.username, address_.password}, must("AUTH"));
    }
  }
  // What was sent on the lost connection and Redis has not read yet must not take effect behind what comes now.
  if (!clientId_.empty() && !clientAddr_.empty()) {
    send({"CLIENT", "KILL", "ID", clientId_, "ADDR", clientAddr_}, may);
  }
  send({"CLIENT", "SETNAME", name_}, may);
  send({"CLIENT", "INFO"}, [this](const RedisValue& reply) {
    if (!reply.isGood()) return;
    clientId_ = field(reply.text(), "id");
    clientAddr_ = field(reply.text(), "addr");
  });
  send({"PING"}, [this](const RedisValue& reply) {
    if (reply.isError()) drop(reply.error());  // such as -LOADING
    if (reply.isGood() && why_.empty()) isReady();
  });
}

void RedisConnection::isReady() {
  if (isClosing_) return;
  isUp_ = true;
  pause_ = 0;
  callbacks_.onUp();
}

// ---- commands ----

bool RedisConnection::command(const std::vector<std::string_view>& words, Done done) {
  loop_->assertInLoopThread();
  return isUp_ && pendingBytes_ < kMaxPendingBytes && pending_ < kMaxPending && send(words, std::move(done));
}

bool RedisConnection::send(const std::vector<std::string_view>& words, Done done) {
  if (link_ == nullptr || !why_.empty()) return false;
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  texts.reserve(words.size());
  sizes.reserve(words.size());
  std::size_t bytes = 0;
  for (const std::string_view word : words) {
    texts.push_back(word.data() != nullptr ? word.data() : "");
    sizes.push_back(word.size());
    bytes += word.size();
  }
  auto pending = std::make_unique<Pending>(Pending{this, std::move(done), bytes});
  if (redisAsyncCommandArgv(link_->context, &RedisConnection::onReply, pending.get(), static_cast<int>(words.size()),
                            texts.data(), sizes.data()) != REDIS_OK) {
    return false;
  }
  pending.release();  // onReply() has it
  ++pending_;
  pendingBytes_ += bytes;
  return true;
}

void RedisConnection::onReply(redisAsyncContext*, void* reply, void* data) {
  const std::unique_ptr<Pending> pending(static_cast<Pending*>(data));
  RedisConnection* const owner = pending->owner;
  --owner->pending_;
  owner->pendingBytes_ -= pending->bytes;
  if (reply == nullptr) owner->isUp_ = false;
  if (owner->alive_) pending->done(RedisValue(static_cast<const redisReply*>(reply)));
}

bool RedisConnection::push(const std::vector<std::string_view>& words) {
  loop_->assertInLoopThread();
  if (!isUp_ || link_ == nullptr || !why_.empty()) return false;
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  return redisAsyncCommandArgv(link_->context, &RedisConnection::onPush, nullptr, static_cast<int>(words.size()),
                               texts.data(), sizes.data()) == REDIS_OK;
}

void RedisConnection::onPush(redisAsyncContext* context, void* reply, void*) {
  if (reply == nullptr) return;
  RedisConnection* const owner = static_cast<Link*>(context->data)->owner;
  if (owner->alive_ && owner->why_.empty()) owner->callbacks_.onPush(RedisValue(static_cast<const redisReply*>(reply)));
}

// ---- going down ----

void RedisConnection::drop(const std::string& why) {
  loop_->assertInLoopThread();
  if (!why_.empty()) return;
  isUp_ = false;
  why_ = why;
  if (link_ != nullptr) {
    redisAsyncFree(link_->context);  // at once, or when its callback has returned
  } else {
    isGone(why);
  }
}

void RedisConnection::isGone(const std::string& why) {
  isUp_ = false;
  ++attempt_;  // no timer of this attempt counts any more
  if (isClosing_) {
    if (closed_) loop_->queueInLoop(std::exchange(closed_, nullptr));
    return;
  }
  why_ = why.empty() ? "the connection was closed" : why;
  pause_ = std::min(kLongestPause, pause_ == 0 ? kFirstPause : pause_ * 2);
  later(jittered(pause_), [this] {
    if (!isClosing_) connect();
  });
  // From the loop, so that whoever hears of it may do anything.
  loop_->queueInLoop([this, said = why_, alive = std::weak_ptr<RedisConnection*>(alive_)] {
    if (alive.lock() && !isClosing_) callbacks_.onDown(said);
  });
}

void RedisConnection::quit(std::function<void()> done) {
  loop_->assertInLoopThread();
  if (isClosing_) return;
  const bool asks = isUp_ && link_ != nullptr;
  isClosing_ = true;
  closed_ = std::move(done);
  // hiredis lets the replies come that are due, then it closes.
  if (asks) {
    redisAsyncDisconnect(link_->context);
  } else if (link_ != nullptr) {
    redisAsyncFree(link_->context);
  } else {
    loop_->queueInLoop(std::exchange(closed_, nullptr));
  }
}

}  // namespace ai_chat
