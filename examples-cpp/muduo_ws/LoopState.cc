#include "muduo_ws/LoopState.h"

#include "muduo_ws/Session.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

namespace wsmuduo {
namespace detail {

using muduo::net::Buffer;
using muduo::net::TcpConnection;
using muduo::net::TcpConnectionPtr;

namespace {

const uint64_t kSilentMs = 1000;  // an HTTP connection that is between requests, when the server ends

}  // namespace

struct LoopState::Entry : Watched {
  enum Protocol {
    kUndecided,  // at the start of a request, as far as is known
    kHttp,       // for good: a body may follow, and a body must never be taken for a request
    kWebSocket,
    kEnding      // the server ends, and with it this connection: what comes is discarded
  };

  explicit Entry(uint64_t headTimeoutMs)
      : headTimeout(headTimeoutMs), protocol(kUndecided), scanned(0), waitsSince(0), lastRead(0), recheckQueued(false), leftForHost(0) {}

  bool look(uint64_t nowMs) override;

  const uint64_t headTimeout;
  Protocol protocol;
  std::weak_ptr<TcpConnection> tcp;  // tells an old entry from a new connection at the same address
  std::shared_ptr<Session> session;
  WebSocketServer::Sink sink;
  size_t scanned;       // bytes at the front of the buffer that ws_sniff has seen
  uint64_t waitsSince;  // for the rest of a request head; 0 = does not
  uint64_t lastRead;
  bool recheckQueued;
  size_t leftForHost;   // what must be in the buffer when the host has taken one request; 0 = nothing to look at
};

LoopState::LoopState(const std::shared_ptr<ServerCore>& core, muduo::net::EventLoop* loop)
    : core_(core), loopEngine_(std::make_shared<LoopEngine>(core, loop)) {}

LoopState::~LoopState() {
  loopEngine_->queue()->close();
  core_->countSockets(-static_cast<long>(entries_.size()));
  for (const auto& item : entries_) {
    if (item.second->session) item.second->session->abandon();
  }
  loopEngine_->streams()->close();
}

// ---- the host's callbacks ----

bool LoopState::onMessage(const TcpConnectionPtr& conn, Buffer* buf, muduo::Timestamp receiveTime) {
  const EntryPtr entry = entryOf(conn);
  switch (entry->protocol) {
    case Entry::kWebSocket: {
      const std::shared_ptr<Session> session = entry->session;
      session->onInput(buf, receiveTime);
      return true;
    }
    case Entry::kEnding:
      buf->retrieveAll();
      return true;
    case Entry::kHttp:
      entry->lastRead = LoopEngine::now();
      return false;
    default:
      entry->lastRead = LoopEngine::now();
      return decide(entry, conn, buf, receiveTime);
  }
}

bool LoopState::onUpgradedMessage(const TcpConnectionPtr& conn, Buffer* buf, muduo::Timestamp receiveTime) {
  const EntryPtr entry = entryOf(conn);
  if (entry->protocol == Entry::kWebSocket || entry->protocol == Entry::kEnding) return onMessage(conn, buf, receiveTime);
  entry->lastRead = LoopEngine::now();
  return false;
}

void LoopState::upgrade(const TcpConnectionPtr& conn, const ParsedRequest& request, Buffer* behind,
                        muduo::Timestamp receiveTime) {
  const EntryPtr entry = entryOf(conn);
  if (entry->protocol == Entry::kWebSocket) {
    LOG_ERROR << "WebSocketServer::upgrade: " << conn->name() << " is a WebSocket already; nothing was done";
    return;
  }
  if (entry->protocol == Entry::kEnding) return;
  startSession(entry, conn, &request, behind, 0, receiveTime);
}

void LoopState::onUp(const TcpConnectionPtr& conn) {
  const EntryPtr entry = entryOf(conn);
  if (!core_->isStopping()) return;
  entry->protocol = Entry::kEnding;
  const std::weak_ptr<TcpConnection> weak = conn;
  loopEngine_->loop()->queueInLoop([weak]() {  // later: the host, which is told of it next, must find it connected
    if (const TcpConnectionPtr tcp = weak.lock()) tcp->forceClose();
  });
}

void LoopState::onDown(const TcpConnectionPtr& conn) {
  const EntryPtr entry = find(get_pointer(conn));
  if (!entry) return;  // Muduo can say it twice
  entries_.erase(get_pointer(conn));
  if (entry->session) entry->session->onDown();
  if (entries_.empty()) loopEngine_->queue()->close();
  core_->countSockets(-1);
}

void LoopState::setSink(const TcpConnectionPtr& conn, const WebSocketServer::Sink& sink) {
  const EntryPtr entry = entryOf(conn);
  entry->sink = sink;
  if (entry->session) entry->session->setSink(sink);
}

// ---- entries ----

LoopState::EntryPtr LoopState::find(const TcpConnection* conn) const {
  const auto it = entries_.find(conn);
  return it == entries_.end() ? EntryPtr() : it->second;
}

LoopState::EntryPtr LoopState::entryOf(const TcpConnectionPtr& conn) {
  if (entries_.empty()) loopEngine_->queue()->open(loopEngine_);
  EntryPtr& entry = entries_[get_pointer(conn)];
  const bool isStale = entry && entry->tcp.lock() != conn;  // its DOWN was never told, and its address is used again
  if (isStale && entry->session) entry->session->abandon();
  if (!entry) core_->countSockets(1);
  if (!entry || isStale) {
    entry = std::make_shared<Entry>(static_cast<uint64_t>(core_->options().handshakeTimeoutSeconds * 1000));
    entry->tcp = conn;
    entry->lastRead = LoopEngine::now();
  }
  return entry;
}

// ---- HTTP or WebSocket ----

bool LoopState::decide(const EntryPtr& entry, const TcpConnectionPtr& conn, Buffer* buf, muduo::Timestamp receiveTime) {
  const size_t available = buf->readableBytes();
  entry->leftForHost = 0;
  if (available == 0) return false;
  if (!conn->connected()) {  // the host has shut it down: no answer could be sent
    entry->protocol = Entry::kHttp;
    return false;
  }
  size_t headLen = entry->scanned <= available ? entry->scanned : 0;
  const ws_sniff_result result = ws_sniff(buf->peek(), available, core_->options().maxHeadSize, &headLen);
  if (result == WS_SNIFF_NEED_MORE) {
    entry->scanned = headLen;
    waitForHead(entry);
    return true;
  }
  entry->scanned = 0;
  entry->waitsSince = 0;
  if (result == WS_SNIFF_UPGRADE) {
    startSession(entry, conn, NULL, buf, headLen, receiveTime);
    return true;
  }
  if (headLen == 0) {
    entry->protocol = Entry::kHttp;
  } else if (available > headLen && buf == conn->inputBuffer()) {
    entry->leftForHost = available - headLen;
    queueRecheck(entry, conn, receiveTime);
  }
  return false;
}

/// A request that is in the buffer, with a head of so many bytes; or one that was parsed, and what is behind it.
void LoopState::startSession(const EntryPtr& entry, const TcpConnectionPtr& conn, const ParsedRequest* request, Buffer* buf,
                             size_t headLen, muduo::Timestamp receiveTime) {
  entry->protocol = Entry::kWebSocket;
  entry->waitsSince = 0;
  conn->setWriteCompleteCallback(muduo::net::WriteCompleteCallback());  // the host's is for what the host sends
  const std::shared_ptr<Session> session =
      std::make_shared<Session>(core_, loopEngine_, conn, entry->sink, request);
  entry->session = session;
  session->start(buf, headLen, receiveTime);
}

// ---- pipelining ----

/// A host that parses one request per read leaves what is behind it in the buffer until the next read. When that is an
/// upgrade request, no more bytes come: the client waits for its answer. So look again when the host is done.
void LoopState::queueRecheck(const EntryPtr& entry, const TcpConnectionPtr& conn, muduo::Timestamp receiveTime) {
  if (entry->recheckQueued) return;
  entry->recheckQueued = true;
  const std::weak_ptr<LoopState> weakState = shared_from_this();
  const std::weak_ptr<Entry> weakEntry = entry;
  conn->getLoop()->queueInLoop([weakState, weakEntry, receiveTime]() {
    const std::shared_ptr<LoopState> state = weakState.lock();
    const EntryPtr lockedEntry = weakEntry.lock();
    const TcpConnectionPtr tcp = lockedEntry ? lockedEntry->tcp.lock() : TcpConnectionPtr();
    if (state && tcp) state->recheck(lockedEntry, tcp, receiveTime);
  });
}

void LoopState::recheck(const EntryPtr& entry, const TcpConnectionPtr& conn, muduo::Timestamp receiveTime) {
  entry->recheckQueued = false;
  const size_t expected = entry->leftForHost;
  entry->leftForHost = 0;
  if (entry->protocol != Entry::kUndecided || expected == 0 || !conn->connected()) return;
  Buffer* buf = conn->inputBuffer();
  if (buf->readableBytes() != expected) {
    entry->protocol = Entry::kHttp;  // the host took more or less than one request: only its parser knows where it stands
    return;
  }
  size_t headLen = 0;
  const ws_sniff_result result = ws_sniff(buf->peek(), expected, core_->options().maxHeadSize, &headLen);
  if (result == WS_SNIFF_UPGRADE) {
    startSession(entry, conn, NULL, buf, headLen, receiveTime);
  } else if (result == WS_SNIFF_NEED_MORE) {
    entry->scanned = headLen;
    waitForHead(entry);
  }  // HTTP: the host goes on with it at its next read, and asks again before
}

// ---- a head that does not arrive ----

/// While the adapter holds bytes back, no timeout of the host's parser can see them.
void LoopState::waitForHead(const EntryPtr& entry) {
  if (entry->headTimeout == 0 || entry->waitsSince != 0) return;
  entry->waitsSince = LoopEngine::now();
  loopEngine_->watch(entry);
  loopEngine_->setTimer();
}

bool LoopState::Entry::look(uint64_t nowMs) {
  const TcpConnectionPtr conn = tcp.lock();
  if (waitsSince == 0 || !conn) return false;
  if (nowMs < waitsSince + headTimeout) return true;
  LOG_DEBUG << "WebSocket: " << conn->name() << " did not complete a request head within " << headTimeout << " ms";
  conn->forceClose();
  return false;
}

// ---- the end of the server ----

void LoopState::stop() {
  std::vector<EntryPtr> entries;
  for (const auto& item : entries_) entries.push_back(item.second);
  for (const EntryPtr& entry : entries) {
    if (entry->session) entry->session->stop();
  }
}

void LoopState::drain(bool force) {
  const uint64_t now = LoopEngine::now();
  std::vector<EntryPtr> entries;  // shutdown() and forceClose() may call back at once
  for (const auto& item : entries_) entries.push_back(item.second);
  for (const EntryPtr& entry : entries) {
    const TcpConnectionPtr conn = entry->tcp.lock();
    if (!conn) continue;
    if (force && entry->session) {
      entry->session->forceClose();
    } else if (force) {
      conn->forceClose();
    } else if (!entry->session && conn->connected() && now > entry->lastRead + kSilentMs &&
               conn->outputBuffer()->readableBytes() == 0) {
      entry->protocol = Entry::kEnding;
      if (entry->sink) entry->sink(NULL, 0);
      conn->shutdown();
    }
  }
}

}  // namespace detail
}  // namespace wsmuduo
