// Rooms in Redis: who is in them, their last posts, their answers under way; and what happens in those that somebody
// here has joined, in one order for all nodes.
//
// That order is the one of the room's channel. Whoever joins has a place in it: the mark that the joining script
// publishes. What comes before it the new member knows from the reply; what comes behind is news.
#ifndef AI_CHAT_REDIS_ROOMS_H
#define AI_CHAT_REDIS_ROOMS_H

#include <muduo/base/noncopyable.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "redis_node.h"
#include "store.h"

namespace ai_chat {

class RedisRooms : muduo::noncopyable {
 public:
  using Loop = Store::Loop;
  using Status = Store::Status;
  using RoomDone = std::function<void(Status, RoomState)>;

  RedisRooms(RedisNode* node, Store::Events* events) : node_(node), events_(events) {}

  void join(const std::string& room, const std::string& user, Loop* loop, RoomDone done);
  void look(const std::string& room, Loop* loop, RoomDone done);
  void leave(const std::string& room, const std::string& user);

  void addHoldings(std::vector<std::string>* holdings) const;
  void onDown();
  void onTick();

 private:
  // What LOOK said.
  struct Seen {
    RoomState state;
    std::set<std::string> elsewhere;  // requestIds of the answers that other nodes make
  };
  // Somebody who joins, or what was missed: complete with the reply and the mark on the channel.
  struct Entrance {
    std::string user;  // empty: what was missed
    Loop* loop = nullptr;
    RoomDone done;
    bool isSent = false;
    std::unique_ptr<Seen> seen;
  };
  struct Event {
    std::string stamp;
    char kind;
    std::string text;
  };
  // One that somebody here has joined.
  struct Room {
    std::set<std::string> users;
    bool hears = false;
    bool missed = false;                    // events, which the next reply makes up for
    bool isKnown = false;                   // there has been a reply
    std::map<std::uint64_t, Entrance> entrances;  // by the number in their marks
    std::deque<Event> events;               // that wait for the reply to a mark
    std::vector<std::string> leaving;       // once it hears
    std::set<std::string> members;          // as they were told
    std::set<std::string> answers;          // the same
    std::string last;                       // messageId of the last post
  };

  void onHears(const std::string& name);
  void onText(const std::string& name, std::string_view text);
  void askForMissed(const std::string& name);
  void enter(const std::string& name, std::uint64_t mark);
  void settle(const std::string& name);
  bool complete(const std::string& name, Room* room, std::uint64_t mark);
  void catchUp(const std::string& name, Room* room, const Seen& seen);
  void happen(const std::string& name, Room* room, const Event& event);
  void fail(Room* room, Entrance* entrance);
  void dropIfEmpty(const std::string& name);
  Seen read(const RedisValue& reply) const;

  RedisNode* const node_;
  Store::Events* const events_;
  std::unordered_map<std::string, Room> rooms_;
  std::uint64_t marks_ = 0;
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_ROOMS_H
