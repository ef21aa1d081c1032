#include "tests/adapter_server/Streams.h"

#include <muduo/net/EventLoop.h>

#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <sstream>

using muduo::StringPiece;
using wsmuduo::TokenStream;
using wsmuduo::TokenStreamPtr;

namespace {

struct Counts {
  std::atomic<int> models, pauses, resumes, refused, gone;
  std::atomic<size_t> written, mostBuffered;
} g_counts;

void noteMost(size_t value) {
  size_t most = g_counts.mostBuffered;
  while (value > most && !g_counts.mostBuffered.compare_exchange_weak(most, value)) continue;
}

/// Says "0 1 2 3 ..." as fast as its stream lets it, up to some length.
class Model : muduo::noncopyable, public std::enable_shared_from_this<Model> {
 public:
  Model(const wsmuduo::WebSocketConnectionPtr& conn, const std::string& id, size_t len, bool isRude)
      : conn_(conn), stream_(conn->newTokenStream(id)), left_(len), isRude_(isRude), next_(0) {
    ++g_counts.models;
  }
  ~Model() { --g_counts.models; }

  void start() {
    const std::shared_ptr<Model> self = shared_from_this();
    stream_->setPauseCallback([self](bool isPaused) { self->onPause(isPaused); });
    produce();
  }
  void setAtPause(const std::function<void()>& task) { atPause_ = task; }

 private:
  void onPause(bool isPaused) {
    if (isPaused != stream_->isPaused()) abort();
    isPaused ? ++g_counts.pauses : ++g_counts.resumes;
    const std::function<void()> task = atPause_;
    if (isPaused && task) return task();
    if (!isPaused) produce();
  }

  void produce() {
    const std::shared_ptr<Model> self = shared_from_this();
    const TokenStreamPtr stream = stream_;  // a callback in write() may drop it
    if (!stream) return;
    std::string tokens;
    while (tokens.size() < std::min<size_t>(left_, 32 * 1024)) tokens += std::to_string(next_++) + " ";
    if (tokens.empty()) {
      const TokenStream::Usage usage = {1, next_, next_ + 1};
      stream->finish("stop", &usage);
      return stream_.reset();  // what waits leaves all the same
    }
    if (!stream->write(tokens)) {
      if (!stream->isFinished()) {
        ++g_counts.refused;
        if (!isRude_) abort();
        left_ = 0;  // that is all it says
        return produce();
      }
      ++g_counts.gone;
      return stream_.reset();
    }
    noteMost(conn_->bufferedAmount());
    g_counts.written += tokens.size();
    left_ -= std::min(left_, tokens.size());
    if (!stream->isPaused() || isRude_) conn_->getLoop()->queueInLoop([self]() { self->produceAgain(); });
  }

  void produceAgain() {
    if (stream_ && (!stream_->isPaused() || isRude_)) produce();
  }

  const wsmuduo::WebSocketConnectionPtr conn_;
  TokenStreamPtr stream_;
  size_t left_;
  const bool isRude_;
  uint64_t next_;
  std::function<void()> atPause_;
};

}  // namespace

Streams::Streams(wsmuduo::WebSocketServer* ws) : ws_(ws) {
  ws->websocket("/tokens", [this](const Ptr& c, const StringPiece& d, bool, muduo::Timestamp) { onTokens(c, d.as_string()); });
  ws->websocket("/log", [this](const Ptr& c, const StringPiece& d, bool, muduo::Timestamp) { onLog(c, d.as_string()); });
}

Streams::~Streams() {
  for (std::thread& thread : threads_) thread.join();
}

std::string Streams::stats() const {
  std::ostringstream json;
  json << "{\"models\": " << g_counts.models << ", \"pauses\": " << g_counts.pauses << ", \"resumes\": " << g_counts.resumes
       << ", \"refused\": " << g_counts.refused << ", \"gone\": " << g_counts.gone << ", \"written\": " << g_counts.written
       << ", \"most_buffered\": " << g_counts.mostBuffered << "}";
  return json.str();
}

void Streams::onTokens(const Ptr& conn, const std::string& line) {
  std::istringstream words(line);
  std::string command, id, rest;
  words >> command >> id;
  getline(words >> std::ws, rest);

  if (command == "say") {  // in two halves, the second from a timer
    const TokenStreamPtr stream = conn->newTokenStream(id);
    stream->write(rest.substr(0, rest.size() / 2));
    conn->getLoop()->runAfter(0.01, [stream, rest]() {
      stream->write(rest.substr(rest.size() / 2));
      if (!stream->finish("length") || stream->finish("stop")) abort();
    });
  } else if (command == "merge") {  // only the loop's timer hands the second one over
    const TokenStreamPtr stream = conn->newTokenStream(id);
    stream->write("a");
    stream->write("b");
    conn->setContext(stream);
  } else if (command == "flood" || command == "rude") {
    std::make_shared<Model>(conn, id, static_cast<size_t>(atol(rest.c_str())), command == "rude")->start();
  } else if (command == "flood-close") {  // closes as soon as the peer is slow and the answer has ended
    const TokenStreamPtr stream = conn->newTokenStream(id);
    size_t left = static_cast<size_t>(atol(rest.c_str()));
    for (; left > 0 && stream->write(std::string(std::min<size_t>(left, 1000), 'x')); left -= std::min<size_t>(left, 1000)) continue;
    if (left > 0 || !stream->isPaused() || !stream->finish("stop")) abort();
    conn->close(1000, "behind the answer");
    if (stream->write("behind") || !conn->newTokenStream("late")->isFinished()) abort();
  } else if (command == "fail") {
    const TokenStreamPtr stream = conn->newTokenStream(id);
    stream->write("so far");
    stream->fail("upstream_timeout", "it is silent", true);
  } else if (command == "drop") {
    conn->newTokenStream(id)->write("half");
  } else if (command == "drop-worker") {
    TokenStreamPtr stream = conn->newTokenStream(id);
    stream->write("half");
    const auto drop = [conn](const TokenStreamPtr& last) {
      if (last->write("from elsewhere") || !conn->newTokenStream("elsewhere")->isFinished()) abort();
    };
    std::lock_guard<std::mutex> lock(mutex_);
    threads_.push_back(std::thread(drop, std::move(stream)));
  } else if (command == "destroy") {  // in a pause callback
    const auto model = std::make_shared<Model>(conn, id, 64 << 20, false);
    model->setAtPause([this]() { destroy_(); });
    model->start();
  }
}

/// The words of the line as one answer, to all connections.
void Streams::onLog(const Ptr& conn, const std::string& line) {
  wsmuduo::WebSocketServer* const ws = ws_;
  const TokenStreamPtr stream = ws->newTokenStream(conn->getLoop(), "r-log", [ws](const TokenStream::Message& message) {
    for (const Ptr& other : ws->connections()) other->send(message.json);
  });
  std::istringstream words(line);
  for (std::string word; words >> word;) stream->write(word);
  conn->getLoop()->runAfter(0.02, [stream]() { stream->cancel(); });
}
