#include "muduo_ws/LoopState.h"

#include "muduo_ws/Session.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

namespace wsmuduo {
namespace detail {

using muduo::net::Buffer;
using muduo::net::TcpConnection;
using muduo::net::TcpConnectionPtr;

LoopState::LoopState(const std::shared_ptr<ServerCore>& core)
    : core_(core), loopEngine_(std::make_shared<LoopEngine>(*core)) {}

LoopState::~LoopState() {
  core_->countSockets(-static_cast<long>(entries_.size()));
  for (const auto& item : entries_) {
    if (item.second->session) item.second->session->abandon();
  }
}

// ---- the host's callbacks ----

bool LoopState::onMessage(const TcpConnectionPtr& conn, Buffer* buf, muduo::Timestamp receiveTime) {
  const EntryPtr entry = entryOf(conn);
  switch (entry->protocol) {
    case kWebSocket: {
      const std::shared_ptr<Session> session = entry->session;
      session->onInput(buf, receiveTime);
      return true;
    }
    case kHttp:
      return false;
    default:
      return decide(entry, conn, buf, receiveTime);
  }
}

void LoopState::onUp(const TcpConnectionPtr& conn) { entryOf(conn); }

void LoopState::onDown(const TcpConnectionPtr& conn) {
  const EntryPtr entry = find(get_pointer(conn));
  if (!entry) return;
  entries_.erase(get_pointer(conn));
  core_->countSockets(-1);
  if (entry->session) entry->session->onDown();
}

void LoopState::onWriteComplete(const TcpConnectionPtr& conn) {
  const EntryPtr entry = find(get_pointer(conn));
  if (entry && entry->session) entry->session->onWriteComplete();
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
  EntryPtr& entry = entries_[get_pointer(conn)];
  const bool isStale = entry && entry->tcp.lock() != conn;  // its DOWN was never told, and its address is used again
  if (isStale && entry->session) entry->session->abandon();
  if (!entry) core_->countSockets(1);
  if (!entry || isStale) {
    entry = std::make_shared<Entry>();
    entry->tcp = conn;
  }
  return entry;
}

// ---- HTTP or WebSocket ----

bool LoopState::decide(const EntryPtr& entry, const TcpConnectionPtr& conn, Buffer* buf, muduo::Timestamp receiveTime) {
  const size_t available = buf->readableBytes();
  entry->leftForHost = 0;
  if (available == 0) return false;
  size_t headLen = entry->scanned <= available ? entry->scanned : 0;
  const ws_sniff_result result = ws_sniff(buf->peek(), available, core_->options().maxHeadSize, &headLen);
  if (result == WS_SNIFF_NEED_MORE) {
    entry->scanned = headLen;
    waitForHead(entry, conn);
    return true;
  }
  entry->scanned = 0;
  entry->isWaiting = false;
  if (result == WS_SNIFF_UPGRADE) {
    upgrade(entry, conn, buf, headLen, receiveTime);
    return true;
  }
  if (headLen == 0) {
    entry->protocol = kHttp;
  } else if (available > headLen && buf == conn->inputBuffer()) {
    entry->leftForHost = available - headLen;
    queueRecheck(entry, conn, receiveTime);
  }
  return false;
}

void LoopState::upgrade(const EntryPtr& entry, const TcpConnectionPtr& conn, Buffer* buf, size_t headLen,
                        muduo::Timestamp receiveTime) {
  entry->protocol = kWebSocket;
  const std::shared_ptr<Session> session = std::make_shared<Session>(core_, loopEngine_, conn, entry->sink);
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
  if (entry->protocol != kUndecided || expected == 0 || !conn->connected()) return;
  Buffer* buf = conn->inputBuffer();
  if (buf->readableBytes() != expected) {
    entry->protocol = kHttp;  // the host took more or less than one request: only its parser knows where it stands
    return;
  }
  size_t headLen = 0;
  const ws_sniff_result result = ws_sniff(buf->peek(), expected, core_->options().maxHeadSize, &headLen);
  if (result == WS_SNIFF_UPGRADE) {
    upgrade(entry, conn, buf, headLen, receiveTime);
  } else if (result == WS_SNIFF_NEED_MORE) {
    entry->scanned = headLen;
    waitForHead(entry, conn);
  }  // HTTP: the host goes on with it at its next read, and asks again before
}

// ---- a head that does not arrive ----

/// While the adapter holds bytes back, no timeout of the host's parser can see them.
void LoopState::waitForHead(const EntryPtr& entry, const TcpConnectionPtr& conn) {
  const double timeout = core_->options().handshakeTimeoutSeconds;
  if (!entry->isWaiting) entry->waitingSince = Clock::now();
  entry->isWaiting = true;
  if (timeout > 0 && !entry->timerRuns) startHeadTimer(entry, conn, timeout, timeout);
}

void LoopState::startHeadTimer(const EntryPtr& entry, const TcpConnectionPtr& conn, double timeout, double delay) {
  entry->timerRuns = true;
  const std::weak_ptr<Entry> weak = entry;
  conn->getLoop()->runAfter(delay, [weak, timeout]() {
    if (const EntryPtr locked = weak.lock()) onHeadTimer(locked, timeout);
  });
}

void LoopState::onHeadTimer(const EntryPtr& entry, double timeout) {
  entry->timerRuns = false;
  const TcpConnectionPtr conn = entry->tcp.lock();
  if (!entry->isWaiting || !conn) return;
  const double waited = std::chrono::duration<double>(Clock::now() - entry->waitingSince).count();
  if (waited < timeout) {  // an earlier head was complete in time, this is another one
    startHeadTimer(entry, conn, timeout, timeout - waited + 0.001);
    return;
  }
  LOG_DEBUG << "WebSocket: " << conn->name() << " did not complete a request head within " << timeout << " s";
  conn->forceClose();
}

}  // namespace detail
}  // namespace wsmuduo
