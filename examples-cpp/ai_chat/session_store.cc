#include "session_store.h"

#include <utility>

#include "utf8.h"

namespace ai_chat {

std::vector<Turn> SessionStore::history(const std::string& sessionId) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Turn> turns;
  const auto found = byId_.find(sessionId);
  if (found == byId_.end()) return turns;

  sessions_.splice(sessions_.begin(), sessions_, found->second);
  for (const Exchange& exchange : found->second->exchanges) {
    turns.push_back({Turn::Role::kUser, exchange.question});
    turns.push_back({Turn::Role::kAssistant, exchange.answer});
  }
  return turns;
}

void SessionStore::add(const std::string& sessionId, std::string_view question, std::string_view answer) {
  question = cutToWhole(question, limits_.bytesPerSession);
  answer = cutToWhole(answer, limits_.bytesPerSession - question.size());
  // Models reject or misread an empty turn.
  if (question.empty() || answer.empty() || limits_.turnsPerSession < 2 || limits_.sessions == 0) return;

  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = byId_.find(sessionId);
  if (found == byId_.end()) {
    sessions_.push_front({sessionId, {}, 0});
    byId_.emplace(sessionId, sessions_.begin());
  } else {
    sessions_.splice(sessions_.begin(), sessions_, found->second);
  }

  Session& session = sessions_.front();
  session.exchanges.push_back({std::string(question), std::string(answer)});
  session.bytes += question.size() + answer.size();
  bytes_ += question.size() + answer.size();
  while (session.exchanges.size() > limits_.turnsPerSession / 2 || session.bytes > limits_.bytesPerSession) {
    dropOldest(&session);
  }
  while (sessions_.size() > limits_.sessions || (bytes_ > limits_.bytes && sessions_.size() > 1)) dropLast();
}

std::size_t SessionStore::sessions() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sessions_.size();
}

std::size_t SessionStore::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return bytes_;
}

void SessionStore::dropOldest(Session* session) {
  const std::size_t size = session->exchanges.front().size();
  session->bytes -= size;
  bytes_ -= size;
  session->exchanges.pop_front();
}

void SessionStore::dropLast() {
  bytes_ -= sessions_.back().bytes;
  byId_.erase(sessions_.back().id);
  sessions_.pop_back();
}

}  // namespace ai_chat
