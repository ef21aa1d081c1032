// What one node keeps in its memory, for a chat that has no others: gone when the process ends.
//
// Everything is bounded, by Store::Limits and by MemoryStore::Bounds. What was acknowledged and is still owed (names,
// waiting messages, the members of rooms) is never dropped to make room: what comes on top is refused with kFull. What
// is only remembered (conversations, posts in rooms, ids of messages) gives way, the oldest first.
#ifndef AI_CHAT_MEMORY_STORE_H
#define AI_CHAT_MEMORY_STORE_H

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "conversations.h"
#include "message_ids.h"
#include "store.h"

namespace ai_chat {

class MemoryStore : public Store {
 public:
  // A post counts with 256 bytes beside its texts.
  struct Bounds {
    std::size_t users = 100000;                       // names that are taken; they stay taken
    std::size_t inboxBytes = 1024 * 1024;             // of what waits for one user
    std::size_t inboxesBytes = 256 * 1024 * 1024;     // of what waits, altogether
    std::size_t rooms = 10000;                        // an empty one, used longest ago, gives way to a new one
    std::size_t members = 4096;                       // of one room
    std::size_t roomAnswers = 64;                     // under way in one room that a new member is told of
    std::size_t roomBytes = 512 * 1024;               // of the posts in one room
    std::size_t roomsBytes = 64 * 1024 * 1024;        // of the posts in all rooms
    std::size_t messageIds = 100000;                  // by which a message that is sent twice is known
  };

  explicit MemoryStore(const Limits& limits) : MemoryStore(limits, Bounds()) {}
  MemoryStore(const Limits& limits, const Bounds& bounds);
  ~MemoryStore() override;

  void start(Loop* loop, Events* events) override;
  void stop(double seconds, std::function<void()> done) override;
  const char* name() const override { return "memory"; }
  bool degraded() const override { return false; }

  void history(const Scope& scope, Loop* loop, std::function<void(std::vector<Exchange>)> done) override;
  void addExchange(const Scope& scope, const Exchange& exchange, const std::string& replaces, Loop* loop,
                   std::function<void()> done) override;

  // There are no other nodes.
  void claim(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Claim)> done) override;
  void follow(const std::shared_ptr<AnswerLog>& log, Loop* loop, std::function<void(Found)> done) override;
  void stopAnswer(const AnswerId&) override {}

  void login(const std::string& user, const std::string& token, Loop* loop, std::function<void(Status)> done) override;
  void admit(const std::string& user, Loop* loop, std::function<void(Status)> done) override;
  void setOnline(const std::string& user, bool online) override;
  void inbox(const std::string& user, Loop* loop, std::function<void(Status, std::vector<Post>)> done) override;
  void received(const std::string& user, const std::vector<std::string>& messageIds) override;
  void send(const Post& post, Loop* loop, std::function<void(Sent)> done) override;

  void join(const std::string& room, const std::string& user, Loop* loop,
            std::function<void(Status, RoomState)> done) override;
  void look(const std::string& room, Loop* loop, std::function<void(Status, RoomState)> done) override;
  void leave(const std::string& room, const std::string& user) override;
  void announce(const std::string& room, const std::shared_ptr<AnswerLog>& log) override;

 private:
  struct User {
    std::string tokenHash;  // empty: only ever admitted
    bool online = false;
    std::list<Post> inbox;
    std::size_t inboxBytes = 0;
  };
  struct Room;
  struct RoomPost {
    Room* room;
    Post post;
  };
  using RoomPosts = std::list<RoomPost>;
  struct Room {
    std::string name;
    std::set<std::string> members;
    std::list<RoomPosts::iterator> posts;
    std::size_t bytes = 0;
    std::vector<std::weak_ptr<AnswerLog>> answers;
    std::list<Room*>::iterator place;  // in emptyRooms_, if there are no members
  };

  using Event = std::function<void(Events*)>;

  // All of these under the lock. So what one call queues into a loop comes before what later calls do.
  void queue(Loop* loop, std::function<void()> call);
  void tell(Event event);
  Sent store(const Post& post, Event* event);
  Status storeDirect(Post post, bool* delivered, Event* event);
  Status storeInRoom(Post post, Event* event);
  User* user(const std::string& name);
  User* userToUse(const std::string& name);

  Room* room(const std::string& name);
  Room* roomToUse(const std::string& name);
  void dropIfUseless(Room* room);
  void dropRoom(Room* room);
  void dropPost(RoomPosts::iterator post);
  void keepRunning(Room* room);
  RoomState state(Room* room);

  const Limits limits_;
  const Bounds bounds_;
  const std::shared_ptr<std::atomic<bool>> stopped_;

  std::mutex mutex_;  // guards what follows
  Loop* loop_ = nullptr;
  Events* events_ = nullptr;
  Conversations conversations_;
  MessageIds messageIds_;
  std::unordered_map<std::string, User> users_;
  std::size_t inboxesBytes_ = 0;
  std::unordered_map<std::string, Room> rooms_;
  std::list<Room*> emptyRooms_;  // without members; used longest ago comes first
  RoomPosts roomPosts_;          // of all rooms, oldest first
  std::size_t roomsBytes_ = 0;
};

}  // namespace ai_chat

#endif  // AI_CHAT_MEMORY_STORE_H
