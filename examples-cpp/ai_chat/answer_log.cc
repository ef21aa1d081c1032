#include "answer_log.h"

#include <algorithm>
#include <utility>

#include "answer_id.h"

namespace ai_chat {

// ---- writing ----

bool AnswerLog::append(std::uint64_t seq, Message json, bool done) {
  std::vector<std::shared_ptr<Reader>> waiting;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (done_ || seq != entries_.size() + 1) return false;
    const std::uint64_t size = json->size();
    if (seq == 1) answerId_ = answerIdOf(*json);
    entries_.push_back({std::move(json), endLocked(entries_.size()) + size});
    done_ = done;
    for (Place& place : places_) {
      if (place.told) continue;
      if (auto reader = place.reader.lock()) {
        place.told = true;
        waiting.push_back(std::move(reader));
      }
    }
  }
  for (const auto& reader : waiting) reader->onMore();
  return true;
}

void AnswerLog::status(const Message& json) {
  std::vector<std::shared_ptr<Reader>> readers;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = json;
    readers = readersLocked();
  }
  for (const auto& reader : readers) reader->onStatus(json);
}

void AnswerLog::refuse(const Message& error, const Message& end) {
  std::vector<std::shared_ptr<Reader>> readers;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!entries_.empty()) return;
    done_ = true;
    refusal_ = error;
    refusalEnd_ = end;
    readers = readersLocked();
  }
  for (const auto& reader : readers) reader->onRefused(error, end);
}

void AnswerLog::lose(std::uint64_t seq, const Message& error, const Message& end) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (done_ || seq <= entries_.size()) return;
  lostAt_ = seq;
  lost_ = error;
  lostEnd_ = end;
}

bool AnswerLog::isAhead(std::size_t high) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (aheadLocked() <= high) return false;
  awaited_ = true;
  return true;
}

void AnswerLog::setCaughtUp(std::size_t low, std::function<void()> callback) {
  const std::lock_guard<std::mutex> lock(mutex_);
  low_ = low;
  caughtUp_ = std::move(callback);
}

// ---- reading ----

void AnswerLog::addReader(const std::shared_ptr<Reader>& reader, std::uint64_t after, const std::string& answerId) {
  bool tell = false;
  bool isOther = false;
  Message status, refusal, refusalEnd;
  std::function<void()> caughtUp;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool knowsMore = lostAt_ != 0 && after >= lostAt_;
    refusal = knowsMore ? lost_ : refusal_;
    refusalEnd = knowsMore ? lostEnd_ : refusalEnd_;
    Place place{reader, reader.get(), std::min<std::uint64_t>(after, entries_.size()), reader->paces(), false};
    // A reader may know more than a copy that is still being filled: what it knows is not for it.
    place.skip = after > entries_.size() ? after : 0;
    if (after > 0) place.answerId = answerId;
    isOther = !refusal && isOtherLocked(&place);
    tell = place.told = place.next < entries_.size();
    if (!isOther) places_.push_back(std::move(place));
    if (entries_.empty()) status = status_;
    caughtUp = takeCaughtUpLocked();
  }
  if (caughtUp) caughtUp();
  if (refusal) return reader->onRefused(refusal, refusalEnd);
  if (isOther) return reader->onOther();
  if (status) reader->onStatus(status);
  if (tell) reader->onMore();
}

void AnswerLog::removeReader(const Reader* reader) {
  std::function<void()> caughtUp;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto place = find(reader);
    if (place == places_.end()) return;
    places_.erase(place);
    caughtUp = takeCaughtUpLocked();
  }
  if (caughtUp) caughtUp();
}

AnswerLog::Next AnswerLog::read(const Reader* reader) {
  Next next;
  std::function<void()> caughtUp;
  std::shared_ptr<Reader> gone;
  Message lost, lostEnd;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto place = find(reader);
    if (place == places_.end()) return next;
    const bool isLost = lostAt_ != 0 && place->skip >= lostAt_;
    if (isLost || isOtherLocked(&*place)) {
      gone = place->reader.lock();
      if (isLost) lost = lost_, lostEnd = lostEnd_;
      places_.erase(place);
      caughtUp = takeCaughtUpLocked();
    }
  }
  if (caughtUp) caughtUp();
  if (gone) lost ? gone->onRefused(lost, lostEnd) : gone->onOther();
  if (gone) return next;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto place = find(reader);
    if (place == places_.end()) return next;
    while (place->next < std::min<std::uint64_t>(place->skip, entries_.size())) ++place->next;
    if (place->next == entries_.size()) {
      place->told = false;
      return next;
    }
    next.json = entries_[place->next].json;
    next.seq = ++place->next;
    next.done = done_ && place->next == entries_.size();
    caughtUp = takeCaughtUpLocked();
  }
  if (caughtUp) caughtUp();
  return next;
}

void AnswerLog::rewind(const Reader* reader, std::uint64_t after) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto place = find(reader);
  if (place != places_.end()) place->next = std::min<std::uint64_t>(after, entries_.size());
}

// ---- asking ----

std::uint64_t AnswerLog::last() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return entries_.size();
}

bool AnswerLog::done() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return done_;
}

std::size_t AnswerLog::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<std::size_t>(endLocked(entries_.size()));
}

std::size_t AnswerLog::readers() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<std::size_t>(std::count_if(places_.begin(), places_.end(), [](const Place& place) {
    return place.paces && !place.reader.expired();
  }));
}

bool AnswerLog::isRefused() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return refusal_ != nullptr;
}

// ---- inside ----

std::vector<std::shared_ptr<AnswerLog::Reader>> AnswerLog::readersLocked() const {
  std::vector<std::shared_ptr<Reader>> readers;
  for (const Place& place : places_) {
    if (auto reader = place.reader.lock()) readers.push_back(std::move(reader));
  }
  return readers;
}

// Bytes of the first `count` messages.
std::uint64_t AnswerLog::endLocked(std::size_t count) const { return count == 0 ? 0 : entries_[count - 1].end; }

// It has read another text under this name, or more than all there is of this one.
bool AnswerLog::isOtherLocked(Place* place) const {
  if (done_ && place->skip > entries_.size()) return true;
  if (place->answerId.empty() || entries_.empty()) return false;
  return std::exchange(place->answerId, std::string()) != answerId_;
}

// What lies before the reader that is farthest.
std::uint64_t AnswerLog::aheadLocked() const {
  bool any = false;
  std::uint64_t farthest = 0;
  for (const Place& place : places_) {
    if (!place.paces || place.reader.expired()) continue;
    any = true;
    farthest = std::max(farthest, place.next);
  }
  return any ? endLocked(entries_.size()) - endLocked(static_cast<std::size_t>(farthest)) : 0;
}

std::function<void()> AnswerLog::takeCaughtUpLocked() {
  if (!awaited_ || aheadLocked() > low_) return nullptr;
  awaited_ = false;
  return caughtUp_;
}

std::vector<AnswerLog::Place>::iterator AnswerLog::find(const Reader* reader) {
  return std::find_if(places_.begin(), places_.end(), [reader](const Place& place) { return place.key == reader; });
}

}  // namespace ai_chat
