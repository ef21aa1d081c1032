// All answers that this node knows: those that it makes, that wait for their turn, that other nodes make for readers here,
// and those that are over and kept for readers who come back. Who may ask for more of them. Thread-safe.
#ifndef AI_CHAT_RUNS_H
#define AI_CHAT_RUNS_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "run.h"

namespace ai_chat {

class Runs : muduo::noncopyable {
 public:
  Runs(const ChatOptions& options, ChatMetrics* metrics) : options_(options), metrics_(metrics) {}

  // ---- asking and finding ----

  struct Asked {
    std::shared_ptr<AnswerLog> log;  // null: refused
    bool isNew = false;              // not known before
    const char* code = "";           // of the refusal; it may be tried again
    const char* why = "";
  };
  // In the context's loop. A question that is known already is not asked again.
  Asked ask(const Run::Context& context, Question question);

  std::shared_ptr<AnswerLog> find(const AnswerId& id);
  // A copy of what another node makes serves all readers here: returns the one that is known, else keeps this one.
  std::shared_ptr<AnswerLog> keep(const std::shared_ptr<AnswerLog>& copy);
  void forget(const std::shared_ptr<AnswerLog>& copy);

  // Known here and not over.
  std::vector<std::shared_ptr<AnswerLog>> underWayIn(const Scope& scope) const;

  // False: not one that this node makes.
  bool stop(const AnswerId& id);

  // ---- time and the end ----

  // Every second or so, in one loop: tells places in the queue, cancels what nobody reads, forgets what is old.
  void tick();
  // From now on nothing is asked; what waits in the queue fails.
  void drain();
  // What is still under way fails too.
  void cut();
  // No answer is under way, and what is over has been read.
  bool isDrained() const;
  // In that loop's thread: its runs end without a word.
  void leave(muduo::net::EventLoop* loop);

  std::size_t underWay() const;

 private:
  enum class Stage { kQueued, kRunning, kCopied, kOver };
  struct Entry {
    std::shared_ptr<AnswerLog> log;
    std::shared_ptr<Run> run;  // while queued or running
    Stage stage;
    std::size_t toldPlace = 0;  // in the queue
    bool lonely = false;        // since `since`, nobody reads it
    muduo::Timestamp since{};   // or it is over since then
  };
  struct Load {
    std::size_t running = 0;
    std::size_t queued = 0;
  };
  using Work = std::vector<std::function<void()>>;  // for when the lock is released

  std::unordered_map<AnswerId, Entry, AnswerIdHash>::iterator lookUpLocked(const AnswerId& id);
  void onOver(const std::shared_ptr<Run>& run);
  void admitLocked(Work* work);
  void tellPlacesLocked(Work* work);
  bool isExpiredLocked(Entry* entry, muduo::Timestamp now, Work* work);
  void forgetOldestLocked();
  void leaveStageLocked(Entry* entry, Stage next);
  bool mayRunLocked(const std::string& payer) const;
  void countLocked();

  const ChatOptions& options_;
  ChatMetrics* const metrics_;
  mutable std::mutex mutex_;
  std::unordered_map<AnswerId, Entry, AnswerIdHash> entries_;
  std::deque<std::shared_ptr<Run>> queue_;
  std::unordered_map<std::string, Load> payers_;
  std::size_t running_ = 0;
  bool draining_ = false;
};

}  // namespace ai_chat

#endif  // AI_CHAT_RUNS_H
