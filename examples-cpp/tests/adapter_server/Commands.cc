#include "tests/adapter_server/Commands.h"

#include <muduo/net/EventLoop.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include <sstream>

using muduo::StringPiece;
using muduo::Timestamp;

namespace {

int openFiles() {
  int count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (directory != NULL && readdir(directory) != NULL) ++count;
  if (directory != NULL) closedir(directory);
  return count - 3;  // ".", ".." and the directory itself
}

long residentKiB() {
  long pages = 0;
  long resident = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == NULL) return -1;
  if (fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = -1;
  fclose(file);
  return resident * 4;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const char kIsSanitized[] = "true";  // memory that was freed stays in use for a while
#else
const char kIsSanitized[] = "false";
#endif

}  // namespace

Commands::Commands(wsmuduo::WebSocketServer* ws) : ws_(ws), ups_(0), downs_(0), messages_(0) {
  typedef wsmuduo::WebSocketConnectionPtr P;
  const wsmuduo::ConnectionCallback counted = [this](const P& conn) { onConnection(conn); };
  ws->websocket("/echo", [this](const P& c, const StringPiece& d, bool isText, Timestamp) { onEcho(c, d, isText); }, counted);
  ws->websocket("/command", [this](const P& c, const StringPiece& d, bool, Timestamp) { onCommand(c, d.as_string()); }, counted);
  ws->websocket("/workers", [this](const P& c, const StringPiece& d, bool, Timestamp) { onWorkers(c, d.as_string()); }, counted);
  ws->websocket("/keep", [this](const P& c, const StringPiece& d, bool, Timestamp) { onKeep(c, d.as_string()); }, counted);
  ws->websocket("/fill", wsmuduo::MessageCallback(), [this](const P& conn) {
    onConnection(conn);
    if (conn->connected()) onFill(conn);
  });
  ws->websocket("/some", wsmuduo::MessageCallback(), [this](const P& conn) {  // waits, but less than the high water mark
    onConnection(conn);
    if (conn->connected()) onSome(conn);
  });
  ws->websocket("/closing", wsmuduo::MessageCallback(), [this](const P& conn) {
    onConnection(conn);
    if (conn->connected()) conn->close(4000, "at once");
  });
  ws->websocket("/private", [this](const P& c, const StringPiece& d, bool isText, Timestamp) { onEcho(c, d, isText); }, counted);
  ws->setHandshakeCallback([this](const wsmuduo::WebSocketHandshakePtr& handshake) { onHandshake(handshake); });
}

Commands::~Commands() {
  std::vector<std::thread> threads;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

std::string Commands::stats() const {
  std::ostringstream json;
  std::lock_guard<std::mutex> lock(mutex_);
  json << "{\"ups\": " << ups_ << ", \"downs\": " << downs_ << ", \"messages\": " << messages_
       << ", \"open\": " << ws_->connections().size() << ", \"fds\": " << openFiles() << ", \"rss_kib\": " << residentKiB()
       << ", \"sanitized\": " << kIsSanitized
       << ", \"sockets\": " << ws_->socketCount() << ", \"closes\": [";
  for (size_t i = 0; i < closes_.size(); ++i) json << (i == 0 ? "" : ", ") << '"' << closes_[i] << '"';
  json << "]}";
  return json.str();
}

void Commands::onConnection(const Ptr& conn) {
  if (conn->connected()) {
    ++ups_;
    return;
  }
  ++downs_;
  std::ostringstream line;
  line << conn->path() << ' ' << conn->closeCode() << ' ' << conn->closeReason();
  if (conn->send("too late")) line << " SENT";  // must be refused
  std::lock_guard<std::mutex> lock(mutex_);
  closes_.push_back(line.str());
}

void Commands::onEcho(const Ptr& conn, const StringPiece& data, bool isText) {
  ++messages_;
  const bool isSent = isText ? conn->send(data) : conn->sendBinary(data);
  if (!isSent) conn->close(1013, "slow reader");
}

void Commands::onHandshake(const wsmuduo::WebSocketHandshakePtr& handshake) {
  if (handshake->connection()->send("too early")) abort();  // must be refused
  if (handshake->path() != "/private") {
    handshake->accept();
    return;
  }
  const std::string token = handshake->cookie("token");
  if (token == "crash") {
    handshake->reject(99);  // not a status
  } else if (token == "secret") {
    handshake->accept();
    if (handshake->accept() || handshake->reject(403)) abort();  // the first decision counts
  } else {
    handshake->reject(401);
  }
}

/// One line, one answer.
void Commands::onCommand(const Ptr& conn, const std::string& line) {
  std::istringstream words(line);
  std::string command;
  std::string first;
  words >> command >> first;
  std::string rest;
  getline(words >> std::ws, rest);

  if (command == "close") {
    conn->close(static_cast<uint16_t>(atoi(first.c_str())), rest);
    conn->close(4999, "the second one does nothing");
    if (conn->send("behind the close frame")) abort();
  } else if (command == "close-worker") {
    const uint16_t code = static_cast<uint16_t>(atoi(first.c_str()));
    addThread([conn, code, rest]() {
      conn->send("before");
      conn->close(code, rest);
      if (conn->send("behind the close")) abort();
    });
  } else if (command == "fill-worker") {  // until there is no room, and once more when there is
    addThread([conn]() {
      const std::string message(64 * 1024, 'x');
      for (int i = 0; i < 50; ++i) {  // the kernel takes a little more each time, but not for ever: then a refusal wakes
        while (conn->sendBinary(message)) continue;  // the loop, which finds nothing to take
        usleep(20 * 1000);
      }
      while (!conn->sendBinary(message) && conn->connected()) usleep(1000);
      conn->send("room again");
    });
  } else if (command == "force-worker") {
    addThread([conn]() { conn->forceClose(); });
  } else if (command == "force") {
    conn->send("may be lost");
    conn->forceClose();
  } else if (command == "destroy") {
    destroy_();
  } else if (command == "burst") {  // accepted messages go out in one write at the end of the turn
    for (int i = 0; i < atoi(first.c_str()); ++i) conn->send(std::to_string(i));
  } else if (command == "header") {
    conn->send(first + "=" + conn->header(first));
  } else if (command == "request") {
    conn->send(conn->path() + "|" + conn->query() + "|" + conn->subprotocol() + "|" + conn->peerAddress().toIpPort());
  } else if (command == "ping") {
    conn->send(conn->ping(first) ? "pinged" : "refused");
  } else if (command == "bad-text") {
    conn->send(conn->send("\xC3\x28") ? "accepted" : "refused");
  } else if (command == "bad-text-worker") {
    addThread([conn]() { conn->send(conn->send("\xED\xA0\x80") ? "accepted" : "refused"); });
  } else if (command == "context") {
    const std::string old = conn->getContext().empty() ? "" : boost::any_cast<std::string>(conn->getContext());
    conn->setContext(first);
    conn->send("was " + old);
  } else if (command == "broadcast") {
    for (const Ptr& other : ws_->connections()) other->send(first);
  } else if (command == "close-all") {
    ws_->closeAll();
  } else if (command == "later") {  // from a timer and from a functor, not from a message
    conn->getLoop()->runAfter(0.01, [conn]() {
      conn->send("a");
      conn->send("b");
      conn->getLoop()->queueInLoop([conn]() { conn->send("c"); });
    });
  } else if (command == "overtake") {  // what a worker sent before must not be overtaken by the loop
    std::atomic<bool> isSent(false);
    std::thread worker([&]() {
      conn->send("worker");
      isSent = true;
    });
    while (!isSent) std::this_thread::yield();
    conn->send("loop");
    worker.join();
  } else {
    conn->send("unknown command");
  }
}

/// "THREADS COUNT": each of the threads sends COUNT numbered messages.
void Commands::onWorkers(const Ptr& conn, const std::string& line) {
  int threads = 0;
  int count = 0;
  if (sscanf(line.c_str(), "%d %d", &threads, &count) != 2) return;
  for (int t = 0; t < threads; ++t) {
    addThread([conn, t, count]() {
      for (int i = 0; i < count && conn->connected(); ++i) {
        const std::string message = std::to_string(t) + " " + std::to_string(i);
        while (!conn->send(message) && conn->connected()) usleep(1000);
      }
    });
  }
}

/// Sends whenever everything is out, until the kernel takes no more.
void Commands::onSome(const Ptr& conn) {
  const std::string message(64 * 1024, 'x');
  conn->setWriteCompleteCallback([message](const Ptr& c) { c->sendBinary(message); });
  conn->sendBinary(message);
}

/// Sends until there is no room, and once more when there is.
void Commands::onFill(const Ptr& conn) {
  const std::string message(64 * 1024, 'x');
  size_t sent = 0;
  while (conn->sendBinary(message)) sent += message.size();
  const size_t buffered = conn->bufferedAmount();
  conn->setWritableCallback([sent, buffered](const Ptr& c) {
    c->send("room again after " + std::to_string(sent) + " sent and " + std::to_string(buffered) + " buffered");
  });
}

/// Keeps the pointer when its connection is gone, and tries it from a worker that never rests.
void Commands::onKeep(const Ptr& conn, const std::string& line) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    kept_.push_back(conn);
  }
  if (line == "hammer") {
    addThread([conn]() {
      while (conn->send("hammer")) conn->bufferedAmount();
      while (conn->connected()) usleep(100);
      for (int i = 0; i < 100; ++i) {
        if (conn->send("gone")) abort();
        conn->close();
        conn->forceClose();
        conn->bufferedAmount();
        conn->closeReason();
      }
    });
  } else {
    conn->send("kept");
  }
}

void Commands::addThread(const std::function<void()>& body) {
  std::lock_guard<std::mutex> lock(mutex_);
  threads_.push_back(std::thread(body));
}
