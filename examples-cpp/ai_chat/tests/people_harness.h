// A server with People on a MemoryStore, in a thread of its own, and clients that speak to it over real WebSockets.
#ifndef AI_CHAT_TESTS_PEOPLE_HARNESS_H
#define AI_CHAT_TESTS_PEOPLE_HARNESS_H

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/InetAddress.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <ws_engine.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ai_chat/json_text.h"
#include "ai_chat/memory_store.h"
#include "ai_chat/people.h"
#include "ai_chat/reserved_port.h"
#include "muduo_ws/HttpServer.h"

namespace ai_chat {

// Can be unreachable, and slow.
class TestStore : public MemoryStore {
 public:
  using MemoryStore::MemoryStore;

  std::atomic<bool> isUnreachable{false};  // but for logins
  std::atomic<bool> refusesLogins{false};
  std::atomic<bool> isSlow{false};
  std::atomic<int> asked{0};  // while it was slow
  std::atomic<int> joins{0};

  // What it was asked for while it was slow is answered, as it was then.
  void answer() {
    isSlow = false;
    loop_->runInLoop([this] {
      for (const auto& answer : held_) answer();
      held_.clear();
    });
  }

  void start(Loop* loop, Events* events) override {
    loop_ = loop;
    MemoryStore::start(loop, events);
  }
  void login(const std::string& user, const std::string& token, Loop* loop, std::function<void(Status)> done) override {
    if (refusesLogins) return loop->queueInLoop([done] { done(Status::kUnavailable); });
    MemoryStore::login(user, token, loop, std::move(done));
  }
  void admit(const std::string& user, Loop* loop, std::function<void(Status)> done) override {
    if (refusesLogins) return loop->queueInLoop([done] { done(Status::kUnavailable); });
    MemoryStore::admit(user, loop, std::move(done));
  }
  void inbox(const std::string& user, Loop* loop, std::function<void(Status, std::vector<Post>)> done) override {
    if (isUnreachable) return loop->queueInLoop([done] { done(Status::kUnavailable, {}); });
    MemoryStore::inbox(user, loop, slowly(std::move(done)));
  }
  void send(const Post& post, Loop* loop, std::function<void(Sent)> done) override {
    if (isUnreachable) return loop->queueInLoop([done] { done(Sent()); });
    MemoryStore::send(post, loop, std::move(done));
  }
  void join(const std::string& room, const std::string& user, Loop* loop,
            std::function<void(Status, RoomState)> done) override {
    if (isUnreachable) return loop->queueInLoop([done] { done(Status::kUnavailable, {}); });
    ++joins;
    MemoryStore::join(room, user, loop, slowly(std::move(done)));
  }
  void look(const std::string& room, Loop* loop, std::function<void(Status, RoomState)> done) override {
    MemoryStore::look(room, loop, slowly(std::move(done)));
  }

 private:
  template <typename What>
  std::function<void(Status, What)> slowly(std::function<void(Status, What)> done) {
    return [this, done = std::move(done)](Status status, What what) {
      if (!isSlow) return done(status, std::move(what));
      held_.push_back([done, status, what = std::move(what)] { done(status, what); });
      ++asked;
    };
  }

  Loop* loop_ = nullptr;
  std::vector<std::function<void()>> held_;  // the loop's thread
};

class TestServer : Store::Events {
 public:
  struct Options {
    int threads = 2;
    Store::Limits limits;
    MemoryStore::Bounds bounds;
    std::string userHeader;
  };

  TestServer() : TestServer(Options()) {}
  explicit TestServer(const Options& options) : store(options.limits, options.bounds) {
    muduo::Logger::setLogLevel(muduo::Logger::ERROR);
    std::promise<void> ready;
    thread_ = std::thread([&, options] { run(options, &ready); });
    ready.get_future().wait();
  }
  ~TestServer() {
    loop_->runInLoop([this] {
      http_->stop(2, [this] { store.stop(0, [this] { loop_->quit(); }); });
    });
    thread_.join();
  }

  std::uint16_t port() const { return port_; }
  // In the store's loop, and waits.
  template <typename Task>
  void inLoop(Task task) {
    std::promise<void> done;
    loop_->runInLoop([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

  TestStore store;
  ChatMetrics metrics;
  std::unique_ptr<People> people;

 private:
  void run(const Options& options, std::promise<void>* ready) {
    muduo::net::EventLoop loop;
    loop_ = &loop;
    auto reserved = std::make_unique<ReservedPort>("127.0.0.1", 0);
    port_ = reserved->port();
    {
      wsmuduo::HttpServer http(&loop, muduo::net::InetAddress("127.0.0.1", port_), "people");
      http_ = &http;
      http.setThreadNum(options.threads);
      store.start(&loop, this);
      people = std::make_unique<People>(
          &http.webSocketServer(), &store, &loop, People::Settings{"node-1", options.userHeader},
          People::Callbacks{
              [this](const People::Connection& conn, const std::string& room, const RoomState& state) {
                const bool isKnown = people->isIn(conn, room) && conn->getLoop()->isInLoopThread();
                conn->send(dumpJson(Json{{"joined", room},
                                         {"as", people->userOf(conn)},
                                         {"isKnown", isKnown},
                                         {"connections", people->connectionsIn(room).size()},
                                         {"posts", state.posts.size()}}));
              },
              [this](const People::Connection& conn, const std::string& room) {
                conn->send(dumpJson(Json{{"left", room}, {"isIn", people->isIn(conn, room)}}));
              }},
          &metrics);
      http.websocket(
          "/ws",
          [this](const People::Connection& conn, const muduo::StringPiece& data, bool, muduo::Timestamp) {
            onMessage(conn, {data.data(), static_cast<std::size_t>(data.size())});
          },
          [this](const People::Connection& conn) {
            conn->connected() ? people->onConnection(conn) : people->onClose(conn);
          });
      http.start();
      reserved.reset();
      ready->set_value();
      loop.loop();
    }
    people.reset();
  }

  void onMessage(const People::Connection& conn, std::string_view json) {
    const Command command = decodeCommand(json);
    std::visit(
        [&](const auto& one) {
          using One = std::decay_t<decltype(one)>;
          if constexpr (std::is_same_v<One, LoginCommand> || std::is_same_v<One, MessageCommand> ||
                        std::is_same_v<One, ReceivedCommand> || std::is_same_v<One, JoinCommand> ||
                        std::is_same_v<One, LeaveCommand>) {
            people->onCommand(conn, one);
          } else {
            conn->send("{\"type\":\"bad\"}");
          }
        },
        command);
  }

  void onDirect(const Post& post) override { people->onDirect(post); }
  void onRoomPost(const Post& post) override { people->onRoomPost(post); }
  void onPresence(const std::string& room, const std::string& user, bool online) override {
    people->onPresence(room, user, online);
  }
  void onRoomAnswer(const std::string&, const std::string&) override {}
  void onStop(const AnswerId&) override {}
  void onDegraded(bool) override {}

  std::thread thread_;
  muduo::net::EventLoop* loop_ = nullptr;
  wsmuduo::HttpServer* http_ = nullptr;
  std::uint16_t port_ = 0;
};

// Blocks, for ten seconds at most.
class TestClient {
 public:
  explicit TestClient(const TestServer& server, const std::string& userHeader = std::string(), int receiveBuffer = 0) {
    ws::ClientRequest request;
    request.host = "127.0.0.1";
    request.target = "/ws";
    if (!userHeader.empty()) request.headers.push_back({"X-User", userHeader});
    conn_ = ws::Connection::client(engine_, request);
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (receiveBuffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("connect");
    flush();
    while (!isOpen_) read();
  }
  ~TestClient() { hangUp(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  void say(const Json& json) {
    if (conn_.queue_text(dumpJson(json)) != WS_OK) throw std::runtime_error("not sent");
    flush();
  }
  // The next message; {"closed":CODE} at the end.
  Json hear() {
    while (heard_.empty()) read();
    const Json json = std::move(heard_.front());
    heard_.erase(heard_.begin());
    return json;
  }
  Json ask(const Json& json) {
    say(json);
    return hear();
  }
  // Everything that the server had to say up to now, but for what is in nobody's room.
  std::vector<Json> settle() {
    say({{"type", "leave"}, {"room", "nowhere"}});
    std::vector<Json> all;
    for (;;) {
      all.push_back(hear());
      if (all.back().value("type", "") == "left" && all.back()["room"] == "nowhere") break;
      if (all.back().count("closed") > 0) return all;
    }
    all.pop_back();
    return all;
  }
  Json login(const std::string& user, const std::string& token = "0123456789abcdef") {
    return ask({{"type", "login"}, {"user", user}, {"token", token}});
  }
  // And what the callback says.
  Json join(const std::string& room) {
    Json joined = ask({{"type", "join"}, {"room", room}});
    if (joined["type"] == "joined") callback = hear();
    return joined;
  }
  Json callback;
  // Without a close frame.
  void hangUp() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  void flush() {
    char buffer[16384];
    for (;;) {
      std::size_t written = 0;
      if (conn_.output_read(buffer, sizeof buffer, written) != WS_OK || written == 0) return;
      for (std::size_t sent = 0; sent < written;) {
        const ssize_t n = ::send(fd_, buffer + sent, written - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += static_cast<std::size_t>(n);
      }
    }
  }
  void read() {
    pollfd waiting = {fd_, POLLIN, 0};
    if (::poll(&waiting, 1, 10000) != 1) throw std::runtime_error("nothing was heard for ten seconds");
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    const ws_status fed = n > 0 ? conn_.feed(buffer, static_cast<std::size_t>(n)) : conn_.feed_eof();
    if (fed != WS_OK) throw std::runtime_error("the server has hung up");
    ws::Event event;
    while (conn_.next_event(event) == WS_OK) {
      if (event.type == WS_EVENT_OPEN) isOpen_ = true;
      if (event.is_message()) heard_.push_back(Json::parse(event.view()));
      if (event.type == WS_EVENT_CLOSE) {
        if (!isOpen_) throw std::runtime_error("the handshake was refused");
        heard_.push_back(Json{{"closed", event.close_code}});
      }
    }
    flush();
  }

  ws::Engine engine_;
  ws::Connection conn_;
  int fd_ = -1;
  bool isOpen_ = false;
  std::vector<Json> heard_;
};

// Gives what happens in another thread ten seconds.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

inline Json directTo(const std::string& user, const std::string& text, const std::string& id) {
  return {{"type", "message"}, {"to", user}, {"text", text}, {"id", id}};
}
inline Json sayIn(const std::string& room, const std::string& text, const std::string& id) {
  return {{"type", "message"}, {"room", room}, {"text", text}, {"id", id}};
}
inline std::string texts(const std::vector<Json>& messages) {
  std::string all;
  for (const Json& message : messages) all += message.value("text", message.dump()) + " ";
  return all;
}

}  // namespace ai_chat

#endif  // AI_CHAT_TESTS_PEOPLE_HARNESS_H
