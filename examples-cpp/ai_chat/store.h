// What outlives a connection, and what the nodes of one chat share: conversations, answers under way, people and rooms.
// MemoryStore keeps it in one process; RedisStore puts it where every node sees it.
//
// Every function may be called from any thread. Callbacks run later, in the loop that was given, never before the call
// returns. Calls of one thread take effect in their order.
#ifndef AI_CHAT_STORE_H
#define AI_CHAT_STORE_H

#include <muduo/base/noncopyable.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "answer_log.h"
#include "conversation.h"

namespace muduo {
namespace net {
class EventLoop;
}
}  // namespace muduo

namespace ai_chat {

// Who is there, what was said, what is being answered.
struct RoomState {
  struct Answer {
    std::string requestId;
    std::uint64_t seq = 0;
  };
  std::vector<std::string> members;  // users, in the order of their names
  std::vector<Post> posts;           // the last ones, oldest first
  std::vector<Answer> answers;
};

class Store : muduo::noncopyable {
 public:
  using Loop = muduo::net::EventLoop;

  struct Limits {
    std::size_t conversations = 10000;  // in memory; what was used longest ago goes first
    std::size_t turns = 40;             // of a conversation; a question and its answer are two
    std::size_t bytes = 64 * 1024;      // of a conversation
    std::size_t totalBytes = 256 * 1024 * 1024;
    std::size_t roomPosts = 50;
    std::size_t inboxPosts = 1000;      // that wait for one user; then `kFull`
    double answerSeconds = 120;         // an answer is kept so long behind its end
  };

  enum class Status { kOk, kNotFound, kWrongToken, kFull, kUnavailable };

  // What happens without having been asked for. Called in the store's own loop, one at a time, in order.
  class Events {
   public:
    virtual ~Events() = default;
    virtual void onDirect(const Post& post) = 0;     // to a user who is online here, or from one
    virtual void onRoomPost(const Post& post) = 0;   // in a room that somebody here has joined
    virtual void onPresence(const std::string& room, const std::string& user, bool online) = 0;
    virtual void onRoomAnswer(const std::string& room, const std::string& requestId) = 0;  // begun on another node
    virtual void onStop(const AnswerId& id) = 0;     // of an answer that this node makes
    virtual void onDegraded(bool degraded) = 0;      // changed
  };

  virtual ~Store() = default;

  // Once, before anything else; `loop` is the store's own, `events` outlives it.
  virtual void start(Loop* loop, Events* events) = 0;
  // In that loop: nothing is called from here on but `done`, when what was appended has been written, or after `seconds`.
  virtual void stop(double seconds, std::function<void()> done) = 0;

  virtual const char* name() const = 0;  // "memory" or "redis"
  virtual bool degraded() const = 0;

  // ---- conversations ----

  virtual void history(const Scope& scope, Loop* loop, std::function<void(std::vector<Exchange>)> done) = 0;
  // `replaces`: a requestId; if it is that of the last exchange, this one takes its place (an answer that is made again).
  // `done`: every node's history() has it, or the shared store is away and gets it later.
  virtual void addExchange(const Scope& scope, const Exchange& exchange, const std::string& replaces, Loop* loop,
                           std::function<void()> done) = 0;

  // ---- answers ----

  enum class Claim {
    kOurs,      // nobody had it: make it; the store copies the log from now on
    kTheirs,    // it is made, or was, on another node: follow() it
  };
  virtual void claim(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Claim)> done) = 0;

  enum class Found { kFound, kUnknown, kUnavailable };
  // Fills an empty log with what another node makes, until that is done; a node that is gone leaves an error and the
  // end. As long as somebody has the log.
  virtual void follow(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Found)> done) = 0;
  // To the node that makes it.
  virtual void stopAnswer(const AnswerId& id) = 0;

  // ---- people ----

  // The first login of a name decides on its token.
  virtual void login(const std::string& user, const std::string& token, Loop* loop, std::function<void(Status)> done) = 0;
  // Without a token: somebody else has made sure who it is.
  virtual void admit(const std::string& user, Loop* loop, std::function<void(Status)> done) = 0;
  // The user has a first connection on this node, or has lost the last.
  virtual void setOnline(const std::string& user, bool online) = 0;

  // What waits for the user, oldest first.
  virtual void inbox(const std::string& user, Loop* loop, std::function<void(Status, std::vector<Post>)> done) = 0;
  virtual void received(const std::string& user, const std::vector<std::string>& messageIds) = 0;

  struct Sent {
    Status status = Status::kUnavailable;
    std::string messageId;
    bool delivered = false;  // the recipient is online somewhere
  };
  // kOk when it is stored. `from` and `id` a second time: the same messageId, and nothing else happens.
  virtual void send(const Post& post, Loop* loop, std::function<void(Sent)> done) = 0;  // `to` or `room`

  // ---- rooms ----

  // The user's first connection on this node in this room. Events of the room come from now on.
  virtual void join(const std::string& room, const std::string& user, Loop* loop,
                    std::function<void(Status, RoomState)> done) = 0;
  virtual void look(const std::string& room, Loop* loop, std::function<void(Status, RoomState)> done) = 0;
  // The last connection.
  virtual void leave(const std::string& room, const std::string& user) = 0;
  // An answer that this node makes in a room; the other nodes get onRoomAnswer(). It is listed until its log is done.
  virtual void announce(const std::string& room, const std::shared_ptr<AnswerLog>& log) = 0;
};

}  // namespace ai_chat

#endif  // AI_CHAT_STORE_H
