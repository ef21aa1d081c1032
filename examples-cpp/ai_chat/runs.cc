#include "runs.h"

#include <muduo/net/EventLoop.h>

#include <algorithm>
#include <utility>

#include "wire.h"

namespace ai_chat {

namespace {

// Of answers that are over, for readers who come back; the oldest go first.
constexpr std::size_t kKeptBytes = 256 * 1024 * 1024;
constexpr std::size_t kEntryBytes = 2048;  // of one, beside its messages

const char kEnding[] = "the server is about to end: ask again in a moment";

void inLoopOf(const std::shared_ptr<Run>& run, void (*act)(Run*)) {
  run->loop()->queueInLoop([run, act] { act(run.get()); });
}

void failForEnd(Run* run) { run->fail("shutting_down", kEnding, /*retryable=*/true); }

}  // namespace

// ---- asking and finding ----

Runs::Asked Runs::ask(const Run::Context& context, Question question) {
  Work work;
  std::shared_ptr<Run> run;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto known = lookUpLocked(question.id);
    if (known != entries_.end()) return {known->second.log, false};
    if (draining_) return {nullptr, false, "shutting_down", kEnding};
    const auto load = payers_.find(question.payer);
    if (load != payers_.end() && load->second.running + load->second.queued >= 2 * options_.maxRunsPerUser) {
      return {nullptr, false, "overloaded", "too many of your questions wait for their answers: stop one, or wait"};
    }
    if (queue_.size() >= options_.maxQueue && !mayRunLocked(question.payer)) {
      return {nullptr, false, "overloaded", "too many people are asking: try again in a while"};
    }
    run = Run::make(context, std::move(question), [this](const std::shared_ptr<Run>& over) { onOver(over); });
    entries_.emplace(run->log()->id(), Entry{run->log(), run, Stage::kQueued});
    queue_.push_back(run);
    ++payers_[run->question().payer].queued;
    ++metrics_->questions;
    work.push_back([run] { inLoopOf(run, [](Run* asked) { asked->claim(); }); });
    admitLocked(&work);
    tellPlacesLocked(&work);
    countLocked();
  }
  for (const auto& act : work) act();
  return {run->log(), true};
}

// One that another node was said to make, and that was not to be had there, is not known: it may be asked for again.
std::unordered_map<AnswerId, Runs::Entry, AnswerIdHash>::iterator Runs::lookUpLocked(const AnswerId& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.run || !found->second.log->isRefused()) return found;
  entries_.erase(found);
  return entries_.end();
}

std::shared_ptr<AnswerLog> Runs::find(const AnswerId& id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = lookUpLocked(id);
  return found == entries_.end() ? nullptr : found->second.log;
}

std::shared_ptr<AnswerLog> Runs::keep(const std::shared_ptr<AnswerLog>& copy) {
  const std::lock_guard<std::mutex> lock(mutex_);
  lookUpLocked(copy->id());  // a refused one makes room
  const auto kept = entries_.emplace(copy->id(), Entry{copy, nullptr, Stage::kCopied});
  countLocked();
  return kept.first->second.log;
}

void Runs::forget(const std::shared_ptr<AnswerLog>& copy) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(copy->id());
  if (found != entries_.end() && found->second.log == copy) entries_.erase(found);
  countLocked();
}

std::vector<std::shared_ptr<AnswerLog>> Runs::underWayIn(const Scope& scope) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::shared_ptr<AnswerLog>> logs;
  for (const auto& [id, entry] : entries_) {
    if (entry.stage != Stage::kOver && id.scope == scope && !entry.log->done()) logs.push_back(entry.log);
  }
  return logs;
}

bool Runs::stop(const AnswerId& id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second.run) return false;
  inLoopOf(found->second.run, [](Run* run) { run->stop(); });
  return true;
}

// ---- whose turn it is ----

bool Runs::mayRunLocked(const std::string& payer) const {
  const auto load = payers_.find(payer);
  return running_ < options_.maxRuns && (load == payers_.end() || load->second.running < options_.maxRunsPerUser);
}

// First come, first served; who has as many as allowed holds up nobody else.
void Runs::admitLocked(Work* work) {
  for (auto next = queue_.begin(); next != queue_.end() && running_ < options_.maxRuns;) {
    const std::shared_ptr<Run> run = *next;
    if (!mayRunLocked(run->question().payer)) {
      ++next;
      continue;
    }
    next = queue_.erase(next);
    leaveStageLocked(&entries_.at(run->log()->id()), Stage::kRunning);
    work->push_back([run] { inLoopOf(run, [](Run* admitted) { admitted->begin(); }); });
  }
}

void Runs::tellPlacesLocked(Work* work) {
  std::size_t place = 0;
  for (const std::shared_ptr<Run>& run : queue_) {
    Entry& entry = entries_.at(run->log()->id());
    if (entry.toldPlace == ++place) continue;
    entry.toldPlace = place;
    work->push_back([log = entry.log, place] {
      log->status(std::make_shared<const std::string>(encodeQueued(log->id().requestId, place)));
    });
  }
}

void Runs::onOver(const std::shared_ptr<Run>& run) {
  Work work;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = entries_.find(run->log()->id());
    if (found == entries_.end() || found->second.run != run) return;
    Entry& entry = found->second;
    if (entry.stage == Stage::kQueued) queue_.erase(std::find(queue_.begin(), queue_.end(), run));
    leaveStageLocked(&entry, entry.log->done() ? Stage::kOver : Stage::kCopied);
    admitLocked(&work);
    countLocked();
  }
  for (const auto& act : work) act();
}

void Runs::leaveStageLocked(Entry* entry, Stage next) {
  if (entry->run) {
    const auto load = payers_.find(entry->run->question().payer);
    if (entry->stage == Stage::kQueued) --load->second.queued;
    if (entry->stage == Stage::kRunning) --load->second.running, --running_;
    if (next == Stage::kRunning) ++load->second.running, ++running_;
    if (load->second.running + load->second.queued == 0) payers_.erase(load);
  }
  if (next != Stage::kRunning) entry->run.reset();
  entry->stage = next;
  entry->lonely = false;
  entry->since = muduo::Timestamp::now();
}

// ---- time ----

void Runs::tick() {
  Work work;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    tellPlacesLocked(&work);
    const muduo::Timestamp now = muduo::Timestamp::now();
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      entry = isExpiredLocked(&entry->second, now, &work) ? entries_.erase(entry) : std::next(entry);
    }
    forgetOldestLocked();
    countLocked();
  }
  for (const auto& act : work) act();
}

// What nobody has read for the time of grace is over; so is what is over for as long.
bool Runs::isExpiredLocked(Entry* entry, muduo::Timestamp now, Work* work) {
  if (entry->stage == Stage::kCopied && entry->log->done()) leaveStageLocked(entry, Stage::kOver);
  if (entry->stage != Stage::kOver) {
    const bool lonely = entry->log->readers() == 0 && !entry->log->isReadElsewhere();
    if (lonely != entry->lonely) entry->since = now;
    entry->lonely = lonely;
    if (!lonely) return false;
  }
  if (muduo::timeDifference(now, entry->since) < options_.store.answerSeconds) return false;
  if (!entry->run) return true;
  work->push_back([run = entry->run] { inLoopOf(run, [](Run* unread) { unread->stop(); }); });
  return false;
}

void Runs::forgetOldestLocked() {
  std::size_t bytes = 0;
  for (const auto& [id, entry] : entries_) {
    if (entry.stage == Stage::kOver) bytes += kEntryBytes + entry.log->bytes();
  }
  if (bytes <= kKeptBytes) return;
  std::vector<std::pair<muduo::Timestamp, AnswerId>> over;
  for (const auto& [id, entry] : entries_) {
    if (entry.stage == Stage::kOver) over.emplace_back(entry.since, id);
  }
  std::sort(over.begin(), over.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [since, id] : over) {
    if (bytes <= kKeptBytes) break;
    const auto entry = entries_.find(id);
    bytes -= kEntryBytes + entry->second.log->bytes();
    entries_.erase(entry);
  }
}

// ---- the end ----

void Runs::drain() {
  const std::lock_guard<std::mutex> lock(mutex_);
  draining_ = true;
  for (const std::shared_ptr<Run>& run : queue_) inLoopOf(run, failForEnd);
}

void Runs::cut() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [id, entry] : entries_) {
    if (entry.run) inLoopOf(entry.run, failForEnd);
  }
}

bool Runs::isDrained() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (running_ != 0 || !queue_.empty()) return false;
  return std::all_of(entries_.begin(), entries_.end(), [](const auto& one) {
    return one.second.stage != Stage::kOver || one.second.log->readers() == 0;
  });
}

void Runs::leave(muduo::net::EventLoop* loop) {
  std::vector<std::shared_ptr<Run>> runs;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto& [id, entry] : entries_) {
      if (entry.run && entry.run->loop() == loop) runs.push_back(entry.run);
    }
  }
  for (const std::shared_ptr<Run>& run : runs) run->abandon();
}

std::size_t Runs::underWay() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return running_;
}

void Runs::countLocked() {
  metrics_->answersUnderWay = static_cast<std::int64_t>(running_);
  metrics_->answersQueued = static_cast<std::int64_t>(queue_.size());
  metrics_->answersKept = static_cast<std::int64_t>(entries_.size());
}

}  // namespace ai_chat
