// What was said in each session, so that the model sees the conversation. In memory and bounded: in turns
// and bytes a session, in sessions, and in bytes altogether. What was used longest ago goes first.
//
// A session is named by the browser; its name is all that one needs to continue it, so the page
// makes it long and random. Thread-safe: a session may move to another connection, and that to another loop.
#ifndef AI_CHAT_SESSION_STORE_H
#define AI_CHAT_SESSION_STORE_H

#include <cstddef>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "turn.h"

namespace ai_chat {

class SessionStore {
 public:
  struct Limits {
    std::size_t sessions = 1000;
    std::size_t turnsPerSession = 40;  // a question and its answer are two
    std::size_t bytesPerSession = 64 * 1024;
    std::size_t bytes = 64 * 1024 * 1024;
  };

  explicit SessionStore(const Limits& limits) : limits_(limits) {}

  // Oldest first; empty for a session that is not known.
  std::vector<Turn> history(const std::string& sessionId);

  // Question and answer come together, when the answer is over: turns always alternate, also when
  // two connections use one session. An answer that is too long to keep is kept in part.
  void add(const std::string& sessionId, std::string_view question, std::string_view answer);

  std::size_t sessions() const;
  std::size_t bytes() const;

 private:
  struct Exchange {
    std::string question;
    std::string answer;
    std::size_t size() const { return question.size() + answer.size(); }
  };
  struct Session {
    std::string id;
    std::deque<Exchange> exchanges;
    std::size_t bytes = 0;
  };
  using Sessions = std::list<Session>;  // most recently used first

  void dropOldest(Session* session);
  void dropLast();

  const Limits limits_;
  mutable std::mutex mutex_;
  Sessions sessions_;
  std::unordered_map<std::string, Sessions::iterator> byId_;
  std::size_t bytes_ = 0;
};

}  // namespace ai_chat

#endif  // AI_CHAT_SESSION_STORE_H
