// The server that test_hub.py runs: a Hub behind a line protocol on /hub, one command a message.
//
//   hub_server [--threads N] [--skip-slow] [--limit BYTES]
//
// Prints "listening on 127.0.0.1:PORT"; SIGTERM ends it in order.

#include "echo_muduo/Listen.h"
#include "muduo_ws/HttpServer.h"
#include "muduo_ws/Hub.h"
#include "muduo_ws/StopSignals.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mutex>
#include <sstream>
#include <thread>

using wsmuduo::PreparedMessage;
typedef wsmuduo::WebSocketConnectionPtr Ptr;

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

class Server : muduo::noncopyable {
 public:
  Server(wsmuduo::HttpServer* http, wsmuduo::Hub::SlowPolicy slowPolicy) : hub_(&http->webSocketServer(), slowPolicy) {
    hub_.setPresenceCallback([this](const std::string& user, const std::string& room, bool isPresent) {
      std::lock_guard<std::mutex> lock(mutex_);
      presence_ += (isPresent ? "+" : "-") + user + "@" + room + " ";
    });
    http->websocket("/hub", [this](const Ptr& conn, const muduo::StringPiece& data, bool, muduo::Timestamp) {
      onCommand(conn, data.as_string());
    });
  }
  ~Server() {
    for (std::thread& thread : workers_) thread.join();
  }

 private:
  void onCommand(const Ptr& conn, const std::string& line) {
    std::istringstream words(line);
    std::string command, name, text;
    words >> command >> name;
    getline(words >> std::ws, text);
    if (command == "sign") {
      hub_.signIn(conn, name);
    } else if (command == "join") {
      hub_.join(conn, name);
    } else if (command == "leave") {
      hub_.leave(conn, name);
    } else if (command == "say") {
      if (!hub_.broadcast(name, text)) conn->send("nobody");
    } else if (command == "say-to-others") {
      hub_.broadcast(name, text, conn);
    } else if (command == "say-large") {
      hub_.broadcast(name, PreparedMessage::binary(std::string(static_cast<size_t>(atoi(text.c_str())), 'x')));
    } else if (command == "all") {
      hub_.broadcastToAll(PreparedMessage::text(name));
    } else if (command == "tell") {
      if (!hub_.sendToUser(name, text)) conn->send("not online");
    } else if (command == "who") {
      conn->send("who " + joined(hub_.usersIn(name)) + " of " + std::to_string(hub_.connectionsIn(name)));
    } else if (command == "users") {
      conn->send("users " + joined(hub_.users()));
    } else if (command == "presence") {
      std::lock_guard<std::mutex> lock(mutex_);
      conn->send("presence " + presence_);
    } else if (command == "in-order") {  // from this loop: a message, a broadcast, a message
      for (int i = 0; i < 3 * atoi(text.c_str()); i += 3) {
        conn->send(std::to_string(i));
        hub_.broadcast(name, std::to_string(i + 1));
        conn->send(std::to_string(i + 2));
      }
    } else if (command == "worker-in-order") {
      const int count = atoi(text.c_str());
      std::lock_guard<std::mutex> lock(mutex_);
      workers_.push_back(std::thread([this, conn, name, count]() {
        for (int i = 0; i < 3 * count; i += 3) {
          conn->send(std::to_string(i));
          hub_.broadcast(name, std::to_string(i + 1));
          conn->send(std::to_string(i + 2));
        }
      }));
    } else if (command == "worker-join") {  // who joins, and then says something, is heard by itself
      std::lock_guard<std::mutex> lock(mutex_);
      workers_.push_back(std::thread([this, conn, name]() {
        hub_.join(conn, name);
        hub_.broadcast(name, "joined");
        hub_.leave(conn, name);
        hub_.broadcast(name, "left");
        conn->send("done");
      }));
    }
  }

  wsmuduo::Hub hub_;
  std::mutex mutex_;
  std::string presence_;
  std::vector<std::thread> workers_;
};

}  // namespace

int main(int argc, char* argv[]) {
  int threads = 0;
  wsmuduo::Hub::SlowPolicy slowPolicy = wsmuduo::Hub::kCloseSlow;
  wsmuduo::WebSocketServer::Options options;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) threads = atoi(argv[++i]);
    if (strcmp(argv[i], "--skip-slow") == 0) slowPolicy = wsmuduo::Hub::kSkipSlow;
  }
  muduo::Logger::setLogLevel(muduo::Logger::WARN);
  const ReservedPort port(0);
  muduo::net::EventLoop loop;
  wsmuduo::StopSignals signals;  // before any thread
  wsmuduo::HttpServer http(&loop, muduo::net::InetAddress("127.0.0.1", port.port()), "hub", port.option(), options);
  http.setThreadNum(threads);
  Server server(&http, slowPolicy);
  signals.watch(&loop, [&]() { http.stop(1.0, [&]() { loop.quit(); }); });
  http.start();
  printf("listening on 127.0.0.1:%d\n", port.port());
  fflush(stdout);
  loop.loop();
  return 0;
}
