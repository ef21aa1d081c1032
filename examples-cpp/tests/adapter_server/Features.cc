#include "tests/adapter_server/Features.h"

#include <muduo/net/EventLoop.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <sstream>

using muduo::StringPiece;
using muduo::Timestamp;
using wsmuduo::PreparedMessage;
using wsmuduo::WebSocketHandshakePtr;

namespace {

const size_t kLimit = 4 * 1024 * 1024;  // Options::maxBufferedAmount, where main() does not change it

wsmuduo::MessageCallback sayName(const std::string& name) {
  return [name](const wsmuduo::WebSocketConnectionPtr& conn, const StringPiece&, bool, Timestamp) { conn->send(name); };
}

}  // namespace

Features::Features(wsmuduo::WebSocketServer* ws) : ws_(ws) {
  ws->websocket("/chunks")
      .setChunkCallback([this](const Ptr& conn, const wsmuduo::Chunk& chunk, Timestamp) { onChunk(conn, chunk); })
      .setMessageCallback([](const Ptr&, const StringPiece&, bool, Timestamp) { abort(); });
  ws->websocket("/pong").setPongCallback([](const Ptr& conn, const StringPiece& data, int64_t roundTripMs) {
    conn->sendBinary("pong " + data.as_string() + (roundTripMs < 0 ? " -1" : roundTripMs < 5000 ? " measured" : " wrong"));
  });
  ws->websocket("/pressure")
      .setMessageCallback([this](const Ptr& c, const StringPiece& d, bool, Timestamp) { onPressure(c, d.as_string()); })
      .setHighWaterMarkCallback([this](const Ptr& conn, size_t amount) {
        if (amount < kLimit / 4 || amount > conn->bufferedAmount()) abort();
        note("high");
      })
      .setWritableCallback([this](const Ptr& conn) {
        if (conn->bufferedAmount() > kLimit / 16) abort();
        note("writable");
        conn->send("room");
      })
      .setWriteCompleteCallback([this](const Ptr& conn) {
        if (conn->bufferedAmount() != 0) abort();
        note("complete");
      })
      .setConnectionCallback([this](const Ptr& conn) { note(conn->connected() ? "up" : "down"); });
  ws->websocket("/never-fits")
      .setMessageCallback([](const Ptr& conn, const StringPiece&, bool, Timestamp) {
        const std::string message(kLimit + 1, 'x');
        conn->setWritableCallback([message](const Ptr& c) { c->sendBinary(message); });
        conn->send(conn->sendBinary(message) ? "taken" : "refused");
      });
  ws->websocket("/replace", [this](const Ptr& c, const StringPiece& d, bool, Timestamp) { onReplace(c, d.as_string()); });
  ws->websocket("/reading", [this](const Ptr& c, const StringPiece& d, bool, Timestamp) { onReading(c, d.as_string()); });
  ws->websocket("/flood", [this](const Ptr& c, const StringPiece& d, bool, Timestamp) { onFlood(c, d.as_string()); });
  ws->websocket("/files/*", sayName("files"));
  ws->websocket("/files/deep/*", sayName("deep"));
  ws->websocket("/files/deep/exact", sayName("exact"));
  ws->websocket("/later/*")
      .setHandshakeCallback([this](const WebSocketHandshakePtr& handshake) { onLater(handshake); })
      .setMessageCallback([](const Ptr& conn, const StringPiece& data, bool isText, Timestamp) {
        isText ? conn->send(data) : conn->sendBinary(data);
      })
      .setConnectionCallback([this](const Ptr& conn) {
        const boost::any& context = conn->getContext();
        const std::string user = context.empty() ? std::string() : boost::any_cast<std::string>(context);
        note((conn->connected() ? "up " : "down ") + user);
      });
}

Features::~Features() {
  std::vector<std::thread> threads;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

std::string Features::events() const {
  std::string json = "[";
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t i = 0; i < events_.size(); ++i) json += (i == 0 ? "\"" : ", \"") + events_[i] + "\"";
  return json + "]";
}

/// Tells the client of each chunk; of the last one, how many there were.
void Features::onChunk(const Ptr& conn, const wsmuduo::Chunk& chunk) {
  const std::string size = std::to_string(chunk.data.size());
  conn->send((chunk.isText ? "text " : "binary ") + std::to_string(chunk.offset) + " " + size +
             (chunk.isFirst ? " first" : "") + (chunk.isLast ? " last" : ""));
}

/// "fill": more than the high water mark. "prepared": one message, in three ways. Else: an echo.
void Features::onPressure(const Ptr& conn, const std::string& line) {
  if (line == "fill") {
    const std::string message(64 * 1024, 'x');
    while (conn->bufferedAmount() + 2 * message.size() < kLimit) conn->sendBinary(message);
  } else if (line == "prepared") {
    const PreparedMessage text = PreparedMessage::text(std::string(3000, 'a'));
    if (PreparedMessage::text("\xFF").isValid() || conn->sendPrepared(PreparedMessage())) abort();
    conn->sendPrepared(text);
    addThread([conn, text]() {
      conn->sendPrepared(text);
      conn->sendPrepared(PreparedMessage::binary("binary"));
    });
  } else {
    conn->send(line);
  }
}

/// Each message replaces the callback that runs, which then still uses what it had captured.
void Features::onReplace(const Ptr& conn, const std::string& line) {
  const std::string captured(100, 'c');  // long enough to lie on the heap
  conn->setConnectionCallback([this](const Ptr& c) { note("own down " + std::to_string(c->closeCode())); });
  conn->setPongCallback([captured](const Ptr& c, const StringPiece&, int64_t) {
    c->setPongCallback([](const Ptr& c2, const StringPiece&, int64_t) { c2->send("second pong"); });
    c->send("first pong " + captured);
  });
  conn->setMessageCallback([this, captured, line](const Ptr& c, const StringPiece& data, bool, Timestamp) {
    c->setMessageCallback([](const Ptr& c2, const StringPiece&, bool, Timestamp) { c2->send("third"); });
    c->setWriteCompleteCallback([this, captured](const Ptr& c2) {
      c2->setWriteCompleteCallback(wsmuduo::WriteCompleteCallback());
      note("own complete " + captured.substr(0, 1));
    });
    c->send("second " + line + " " + data.as_string() + " " + captured);
  });
  conn->send("first");
}

/// "stop MS": no reading for so long; "stop-worker MS": the same from another thread. Else: an echo.
void Features::onReading(const Ptr& conn, const std::string& line) {
  const int ms = atoi(line.substr(line.find(' ') + 1).c_str());
  if (line.compare(0, 5, "stop ") == 0) {
    conn->stopRead();
    conn->getLoop()->runAfter(ms / 1000.0, [conn]() { conn->startRead(); });
  } else if (line.compare(0, 12, "stop-worker ") == 0) {
    addThread([conn, ms]() {
      conn->stopRead();
      usleep(static_cast<useconds_t>(ms) * 1000);
      conn->startRead();
    });
  } else {
    conn->send(line);
  }
}

/// "COUNT": four threads send it so often, to this connection and to all, as fast as they can, and look at the figures.
void Features::onFlood(const Ptr& conn, const std::string& line) {
  const int count = atoi(line.c_str());
  for (int t = 0; t < 4; ++t) {
    addThread([this, conn, count, t]() {
      for (int i = 0; i < count && conn->connected(); ++i) {
        const std::string message = std::to_string(t) + " " + std::to_string(i);
        while (!conn->send(message) && conn->connected()) usleep(200);
        if (conn->bufferedAmount() > 2 * kLimit) abort();  // a figure that wrapped around
        if (i % 64 != 0) continue;
        for (const Ptr& other : ws_->connections()) {
          if (other != conn) other->send("to all");
        }
      }
    });
  }
  conn->getLoop()->runAfter(0.05, [conn]() { conn->send("from a timer"); });  // also when it is gone by then
}

// ---- handshakes ----

/// /later/worker: decided on another thread after ?ms=; /later/drop: never; else at once.
void Features::onLater(const WebSocketHandshakePtr& handshake) {
  const std::string how = handshake->path().substr(7);
  const useconds_t us = static_cast<useconds_t>(atoi(handshake->queryParameter("ms").c_str())) * 1000;
  if (how == "worker") {
    addThread([this, handshake, us]() {
      usleep(us);
      decide(handshake);
    });
  } else if (how == "drop") {
    addThread([handshake, us]() { usleep(us); });  // the last pointer goes with the thread's function
  } else {
    decide(handshake);
  }
}

void Features::decide(const WebSocketHandshakePtr& handshake) {
  const std::string user = handshake->queryParameter("user");
  const std::string status = handshake->queryParameter("status");
  if (!handshake->connection()->subprotocol().empty()) abort();
  const bool isPending = handshake->isPending();
  bool isDone = false;
  if (status.empty()) {
    handshake->connection()->setContext(user);
    wsmuduo::HeaderFields headers;
    if (!user.empty()) headers.push_back(wsmuduo::HeaderField("Set-Cookie", "user=" + user));
    if (user == "crash") headers.push_back(wsmuduo::HeaderField("X", "a\nb"));
    isDone = handshake->accept(handshake->queryParameter("subprotocol"), headers);
  } else {
    isDone = handshake->reject(atoi(status.c_str()), "no: " + user, {wsmuduo::HeaderField("WWW-Authenticate", "Basic")});
  }
  if (handshake->isPending()) abort();
  if (isPending != isDone) note("pending, but gone meanwhile");
  note(isDone ? "decided" : "too late");
}

void Features::addThread(const std::function<void()>& body) {
  std::lock_guard<std::mutex> lock(mutex_);
  threads_.push_back(std::thread(body));
}

void Features::note(const std::string& event) {
  std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back(event);
}
