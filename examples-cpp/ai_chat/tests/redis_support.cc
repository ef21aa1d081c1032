#include "redis_support.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

namespace ai_chat {

namespace {

std::uint16_t freePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

// The one that tests/setup.sh made, below a folder that holds this program, or the system's.
std::string serverProgram() {
  std::error_code ignored;
  for (auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored); folder.has_relative_path();
       folder = folder.parent_path()) {
    const auto program = folder.parent_path() / "target/setup/debian/usr/bin/redis-server";
    if (std::filesystem::exists(program, ignored)) return program;
  }
  return "redis-server";
}

std::string flat(const redisReply* reply) {
  if (reply->type == REDIS_REPLY_INTEGER) return std::to_string(reply->integer);
  if (reply->type == REDIS_REPLY_NIL) return "nil";
  if (reply->type != REDIS_REPLY_ARRAY) return std::string(reply->str, reply->len);
  std::string all;
  for (std::size_t i = 0; i < reply->elements; ++i) all += (i > 0 ? " " : "") + flat(reply->element[i]);
  return all;
}

}  // namespace

bool waitFor(const std::function<bool()>& condition, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return true;
}

// ---- the server ----

RedisServer::RedisServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)), port_(freePort()) {
  folder_ = (std::filesystem::temp_directory_path() / "ai_chat_redis.XXXXXX").string();
  EXPECT_NE(::mkdtemp(&folder_[0]), nullptr);
  start();
}

RedisServer::~RedisServer() {
  if (pid_ != 0) end(SIGKILL);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

RedisAddress RedisServer::address() const {
  RedisAddress address;
  address.port = port_;
  return address;
}

void RedisServer::start() {
  std::vector<std::string> words = {serverProgram(), "--port", std::to_string(port_), "--bind", "127.0.0.1", "--dir",
                                    folder_, "--save", "", "--logfile", folder_ + "/log"};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(&word[0]);
  pointers.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execvp(pointers[0], pointers.data());
    std::fprintf(stderr, "no redis-server: run tests/setup.sh test\n");
    ::_exit(127);
  }
  const bool isUp = waitFor([this] {
    return ::waitpid(pid_, nullptr, WNOHANG) != 0 || ask({"PING"}).find("PONG") != std::string::npos;
  });
  if (!isUp || ask({"PING"}).find("PONG") == std::string::npos) {
    std::fprintf(stderr, "redis-server does not start\n");
    ::exit(1);  // no test can say anything then
  }
}

void RedisServer::end(int signal) {
  ::kill(pid_, signal);
  ::kill(pid_, SIGCONT);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void RedisServer::kill() { end(SIGKILL); }

void RedisServer::stopTime(bool stopped) { ::kill(pid_, stopped ? SIGSTOP : SIGCONT); }

std::string RedisServer::ask(const std::vector<std::string>& words) const {
  redisContext* const context = redisConnect("127.0.0.1", port_);
  std::string answer = "no connection";
  if (context != nullptr && context->err == 0) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    auto* const reply = static_cast<redisReply*>(
        redisCommandArgv(context, static_cast<int>(words.size()), texts.data(), sizes.data()));
    answer = reply != nullptr ? flat(reply) : "no reply";
    if (reply != nullptr) freeReplyObject(reply);
  }
  if (context != nullptr) redisFree(context);
  return answer;
}

// ---- a node ----

Node::Node(const RedisServer& redis, const std::function<void(RedisOptions*, Store::Limits*)>& adjust)
    : loop_(thread_.startLoop()), caller_(callerThread_.startLoop()) {
  RedisOptions options;
  options.address = redis.address();
  options.node = "test";
  options.heartbeat = 0.1;
  options.nodeLost = 1;
  options.patience = 1;
  Store::Limits limits;
  if (adjust) adjust(&options, &limits);
  store_ = std::make_unique<RedisStore>(options, limits, &metrics_);
  store_->start(loop_, this);
}

Node::~Node() { die(); }

void Node::die() {
  if (!store_) return;
  std::promise<void> gone;
  loop_->queueInLoop([&] {
    store_.reset();
    gone.set_value();
  });
  gone.get_future().wait();
}

bool Node::stop(double seconds) {
  const auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  store_->stop(seconds, [done] { done->set_value(); });
  const bool isDone = future.wait_for(std::chrono::duration<double>(seconds + 5)) == std::future_status::ready;
  die();
  return isDone;
}

void Node::settle() {
  std::promise<void> done;
  loop_->queueInLoop([&] { loop_->queueInLoop([&] { done.set_value(); }); });
  done.get_future().wait();
}

Store::Claim Node::claim(const std::shared_ptr<AnswerLog>& log) {
  return get<Store::Claim>([&](auto done) { store_->claim(log, caller_, done); });
}

Store::Found Node::follow(const std::shared_ptr<AnswerLog>& log) {
  return get<Store::Found>([&](auto done) { store_->follow(log, caller_, done); });
}

std::vector<Exchange> Node::history(const Scope& scope) {
  return get<std::vector<Exchange>>([&](auto done) { store_->history(scope, caller_, done); });
}

Store::Status Node::login(const std::string& user, const std::string& token) {
  return get<Store::Status>([&](auto done) { store_->login(user, token, caller_, done); });
}

std::pair<Store::Status, std::vector<Post>> Node::inbox(const std::string& user) {
  using Both = std::pair<Store::Status, std::vector<Post>>;
  return get<Both>([&](auto done) {
    store_->inbox(user, caller_, [done](Store::Status status, std::vector<Post> posts) { done(Both(status, posts)); });
  });
}

Store::Sent Node::send(const Post& post) {
  return get<Store::Sent>([&](auto done) { store_->send(post, caller_, done); });
}

std::pair<Store::Status, RoomState> Node::join(const std::string& room, const std::string& user) {
  using Both = std::pair<Store::Status, RoomState>;
  return get<Both>([&](auto done) {
    store_->join(room, user, loop_, [this, done, user](Store::Status status, const RoomState& state) {
      note("joined " + user);
      done(Both(status, state));
    });
  });
}

std::pair<Store::Status, RoomState> Node::look(const std::string& room) {
  using Both = std::pair<Store::Status, RoomState>;
  return get<Both>([&](auto done) {
    store_->look(room, caller_, [done](Store::Status status, const RoomState& state) { done(Both(status, state)); });
  });
}

void Node::note(const std::string& event) {
  const std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back(event);
}

std::vector<std::string> Node::events() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return events_;
}

std::size_t Node::count(const std::string& event) {
  const std::vector<std::string> all = events();
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), event));
}

bool Node::heard(const std::string& event, double seconds) {
  return waitFor([&] { return count(event) > 0; }, seconds);
}

// ---- logs ----

RedisServer* RedisTest::redis_ = nullptr;

std::shared_ptr<AnswerLog> newLog(const std::string& requestId, const Scope& scope) {
  return std::make_shared<AnswerLog>(AnswerId{scope, requestId});
}

void write(AnswerLog* log, std::uint64_t first, std::uint64_t last, bool done) {
  for (std::uint64_t seq = first; seq <= last; ++seq) {
    log->append(seq, std::make_shared<const std::string>("m" + std::to_string(seq)), done && seq == last);
  }
}

std::string textOf(const std::shared_ptr<AnswerLog>& log, std::uint64_t after) {
  struct Silent : AnswerLog::Reader {
    void onMore() override {}
    void onStatus(const AnswerLog::Message&) override {}
  };
  const auto reader = std::make_shared<Silent>();
  log->addReader(reader, after);
  std::string text;
  for (;;) {
    const AnswerLog::Next next = log->read(reader.get());
    if (!next.json) break;
    text += (next.done ? "!" : "") + *next.json + "\n";
  }
  log->removeReader(reader.get());
  return text;
}

std::string expected(std::uint64_t first, std::uint64_t last, bool done) {
  std::string text;
  for (std::uint64_t seq = first; seq <= last; ++seq) {
    text += (done && seq == last ? "!m" : "m") + std::to_string(seq) + "\n";
  }
  return text;
}

}  // namespace ai_chat
