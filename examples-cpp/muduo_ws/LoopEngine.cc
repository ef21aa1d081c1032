#include "muduo_ws/LoopEngine.h"

#include "muduo_ws/Session.h"

#include <muduo/net/EventLoop.h>

#include <algorithm>
#include <chrono>

namespace wsmuduo {
namespace detail {

namespace {

const uint64_t kNever = UINT64_MAX;
const size_t kInputKept = 256 * 1024;  // bytes of a buffer that a large read has left

}  // namespace

LoopEngine::LoopEngine(const std::shared_ptr<ServerCore>& core, muduo::net::EventLoop* loop)
    : core_(core),
      loop_(loop),
      engine_(core->newEngine()),
      queue_(std::make_shared<LoopQueue>(loop)),
      streams_(std::make_shared<LoopStreams>(this)),
      metrics_(engine_),
      now_(0),
      inputIsLent_(false),
      turnIsQueued_(false),
      timerIsSet_(false),
      timerAt_(0),
      nextLook_(kNever) {
  updateTime();
}

/// The loop may be gone: its timer finds nobody.
LoopEngine::~LoopEngine() {
  streams_->close();
  ws_engine_free(engine_);
}

// ---- time ----

uint64_t LoopEngine::now() {
  typedef std::chrono::milliseconds Milliseconds;
  const auto sinceStart = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<Milliseconds>(sinceStart).count());
}

uint64_t LoopEngine::updateTime() {
  now_ = now();
  ws_engine_advance(engine_, now_);
  return now_;
}

/// One timer for all connections of the loop. It may go off too early, never too late.
void LoopEngine::setTimer() {
  metrics_.onTurn(now_);
  const uint64_t at = std::min(std::min(ws_engine_next_deadline(engine_), nextLook_), metrics_.dueAt());
  if (at == kNever || (timerIsSet_ && timerAt_ <= at)) return;
  if (timerIsSet_) loop_->cancel(timer_);
  const uint64_t nowMs = now();
  const uint64_t delay = at > nowMs ? at - nowMs : 1;  // never 0: a loop that only turns for its timer is a busy one
  const std::weak_ptr<LoopEngine> weak = shared_from_this();
  timer_ = loop_->runAfter(static_cast<double>(delay) / 1000, [weak]() {
    if (const std::shared_ptr<LoopEngine> self = weak.lock()) self->onTimer();
  });
  timerIsSet_ = true;
  timerAt_ = nowMs + delay;
}

/// The sockets that are readable in this turn come first, so that what has arrived counts before its absence does.
void LoopEngine::onTimer() {
  timerIsSet_ = false;
  const std::weak_ptr<LoopEngine> weak = shared_from_this();
  loop_->queueInLoop([weak]() {
    if (const std::shared_ptr<LoopEngine> self = weak.lock()) self->handleDue();
  });
}

void LoopEngine::handleDue() {
  const std::shared_ptr<LoopEngine> self = shared_from_this();  // callbacks may end everything else
  const uint64_t nowMs = updateTime();
  streams_->takeDropped();
  while (ws_conn* const conn = ws_engine_next_due(engine_)) {
    static_cast<Session*>(ws_conn_user_data(conn))->onDue();
  }
  streams_->handleDue();
  if (nowMs >= nextLook_) lookAtWatched(nowMs);
  setTimer();
}

void LoopEngine::watch(const std::shared_ptr<Watched>& watched) {
  if (watched->isWatched_) return;
  watched->isWatched_ = true;
  watched_.push_back(watched);
  if (nextLook_ == kNever) nextLook_ = now() + core_->lookEveryMs();
}

void LoopEngine::lookAtWatched(uint64_t nowMs) {
  std::vector<std::weak_ptr<Watched>> list;
  list.swap(watched_);
  for (std::weak_ptr<Watched>& weak : list) {
    const std::shared_ptr<Watched> watched = weak.lock();
    if (!watched) continue;
    watched->isWatched_ = false;
    if (watched->look(nowMs)) watch(watched);
  }
  nextLook_ = watched_.empty() ? kNever : nowMs + core_->lookEveryMs();
}

// ---- turns ----

void LoopEngine::beginTurn() {
  if (turnIsQueued_) return;
  turnIsQueued_ = true;
  updateTime();
  const std::weak_ptr<LoopEngine> weak = shared_from_this();
  loop_->queueInLoop([weak]() {
    if (const std::shared_ptr<LoopEngine> self = weak.lock()) {
      self->turnIsQueued_ = false;
      self->endTurn();
    }
  });
}

void LoopEngine::takeQueue() {
  if (!queue_->hasItems() || !taken_.empty()) return;
  queue_->take(&taken_);
  for (LoopQueue::Item& item : taken_) {
    Session* const session = item.target ? item.target->session() : NULL;
    if (item.task) {
      item.task(session);
    } else if (session != NULL) {
      session->take(item.message);
    }
  }
  std::vector<LoopQueue::Item> done;
  done.swap(taken_);  // empty before they are destroyed: what they hold may be anything
  done.clear();
  if (taken_.empty()) taken_.swap(done);
}

void LoopEngine::endTurn() {
  const std::shared_ptr<LoopEngine> self = shared_from_this();
  updateTime();
  const bool isQueued = turnIsQueued_;
  turnIsQueued_ = true;  // what is taken leaves in this turn, and needs no other
  takeQueue();
  streams_->takeDropped();
  turnIsQueued_ = isQueued;
  std::vector<std::shared_ptr<Session>> sessions;
  sessions.swap(dirty_);
  for (const std::shared_ptr<Session>& session : sessions) session->endTurn();
  sessions.clear();
  if (dirty_.empty()) dirty_.swap(sessions);  // keeps its memory
  setTimer();
}

// ---- input ----

LoopEngine::Input::Input(LoopEngine* owner, muduo::net::Buffer* buf)
    : owner_(owner->inputIsLent_ ? NULL : owner),
      own_(owner->inputIsLent_ ? new muduo::net::Buffer : NULL),
      buffer_(owner->inputIsLent_ ? own_.get() : &owner->input_) {
  if (owner_ != NULL) owner_->inputIsLent_ = true;
  buffer_->swap(*buf);
}

LoopEngine::Input::~Input() {
  if (owner_ == NULL) return;
  buffer_->retrieveAll();
  if (buffer_->internalCapacity() > kInputKept) buffer_->shrink(0);
  owner_->inputIsLent_ = false;
}

}  // namespace detail
}  // namespace wsmuduo
