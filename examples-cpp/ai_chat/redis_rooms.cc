#include "redis_rooms.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "redis_answers.h"
#include "redis_json.h"
#include "redis_people.h"

namespace ai_chat {

namespace {

constexpr std::size_t kMaxAnswers = 1000;  // that are remembered as told

// Both halves of "ONE\nOTHER".
std::pair<std::string, std::string> halves(const std::string& text) {
  const std::size_t newline = text.find('\n');
  if (newline == std::string::npos) return {text, ""};
  return {text.substr(0, newline), text.substr(newline + 1)};
}

}  // namespace

// ---- coming, going, looking ----

void RedisRooms::join(const std::string& name, const std::string& user, Loop* loop, RoomDone done) {
  if (!node_->isUp()) {
    node_->tell(loop, done, Status::kUnavailable, RoomState());
    return;
  }
  const bool isNew = rooms_.count(name) == 0;
  Room& room = rooms_[name];
  room.users.insert(user);
  const std::uint64_t mark = ++marks_;
  Entrance& entrance = room.entrances[mark];
  entrance.user = user;
  entrance.loop = loop;
  entrance.done = std::move(done);
  if (isNew) {
    node_->channels().subscribe(node_->key("r:", name), {[this, name] { onHears(name); },
                                                         [this, name](std::string_view text) { onText(name, text); }});
  } else if (room.hears) {
    enter(name, mark);
    dropIfEmpty(name);
  }
}

void RedisRooms::leave(const std::string& name, const std::string& user) {
  const auto found = rooms_.find(name);
  if (found == rooms_.end() || found->second.users.erase(user) == 0) return;
  if (!found->second.hears && node_->isUp()) {
    // Behind a join that waits.
    found->second.leaving.push_back(user);
    return;
  }
  node_->run(RedisScripts::drop, {node_->id(), "r\n" + name + "\n" + user}, [](const RedisValue&) {});
  dropIfEmpty(name);
}

void RedisRooms::look(const std::string& name, Loop* loop, RoomDone done) {
  const std::string count = std::to_string(node_->limits().roomPosts);
  const bool asks = node_->isUp() && node_->run(RedisScripts::look, {name, count, "", node_->id(), ""},
                                                [=](const RedisValue& reply) {
                                                  if (reply.isGood()) {
                                                    node_->tell(loop, done, Status::kOk, read(reply).state);
                                                    return;
                                                  }
                                                  if (reply.isError()) {
                                                    node_->countError("look", reply);
                                                    node_->isAway(reply);
                                                  }
                                                  node_->tell(loop, done, Status::kUnavailable, RoomState());
                                                });
  if (!asks) node_->tell(loop, done, Status::kUnavailable, RoomState());
}

RedisRooms::Seen RedisRooms::read(const RedisValue& reply) const {
  Seen seen;
  for (std::size_t i = 0; i < reply[0].size(); ++i) seen.state.members.push_back(reply[0][i].string());
  std::sort(seen.state.members.begin(), seen.state.members.end());
  seen.state.posts = postsFrom(reply[1]);
  std::reverse(seen.state.posts.begin(), seen.state.posts.end());
  for (std::size_t i = 0; i < reply[2].size(); ++i) {
    AnswerId id;
    if (!answerFromKey(reply[2][i][0].text(), &id)) continue;
    seen.state.answers.push_back({id.requestId, static_cast<std::uint64_t>(reply[2][i][1].number())});
    if (reply[2][i][2].text() != node_->id()) seen.elsewhere.insert(id.requestId);
  }
  return seen;
}

// ---- entering: what is there, and the place in the order of what comes ----

void RedisRooms::onHears(const std::string& name) {
  Room& room = rooms_[name];
  room.hears = true;
  if (room.missed) askForMissed(name);
  std::vector<std::uint64_t> waiting;
  for (const auto& [mark, entrance] : room.entrances) {
    if (!entrance.isSent) waiting.push_back(mark);
  }
  for (const std::uint64_t mark : waiting) enter(name, mark);
  for (const std::string& user : std::exchange(room.leaving, {})) {
    if (room.users.count(user) != 0) continue;  // and has come back
    node_->run(RedisScripts::drop, {node_->id(), "r\n" + name + "\n" + user}, [](const RedisValue&) {});
  }
  dropIfEmpty(name);
}

void RedisRooms::askForMissed(const std::string& name) {
  const std::uint64_t mark = ++marks_;
  rooms_[name].entrances[mark];
  enter(name, mark);
}

void RedisRooms::enter(const std::string& name, std::uint64_t mark) {
  Entrance& entrance = rooms_[name].entrances[mark];
  entrance.isSent = true;
  const std::string count = std::to_string(node_->limits().roomPosts);
  const bool asks =
      node_->run(RedisScripts::look, {name, count, std::to_string(mark), node_->id(), entrance.user},
                 [this, name, mark](const RedisValue& reply) {
                   const auto found = rooms_.find(name);
                   if (found == rooms_.end() || found->second.entrances.count(mark) == 0) return;
                   Room& room = found->second;
                   if (reply.isGood()) {
                     room.entrances[mark].seen = std::make_unique<Seen>(read(reply));
                   } else {
                     if (reply.isError()) {
                       node_->countError("join", reply);
                       node_->isAway(reply);
                     }
                     fail(&room, &room.entrances[mark]);
                     room.entrances.erase(mark);
                   }
                   settle(name);
                 });
  if (asks) return;
  fail(&rooms_[name], &entrance);
  rooms_[name].entrances.erase(mark);
}

void RedisRooms::fail(Room* room, Entrance* entrance) {
  if (entrance->user.empty()) return;
  room->users.erase(entrance->user);
  node_->tell(entrance->loop, entrance->done, Status::kUnavailable, RoomState());
}

// ---- what happens ----

void RedisRooms::onText(const std::string& name, std::string_view text) {
  const auto found = rooms_.find(name);
  const std::size_t space = text.find(' ');
  if (found == rooms_.end() || space == std::string_view::npos || text.size() < space + 3) return;
  found->second.events.push_back({std::string(text.substr(0, space)), text[space + 1],
                                  std::string(text.substr(space + 3))});
  settle(name);
}

// Works off the events, up to a mark whose reply has not come yet.
void RedisRooms::settle(const std::string& name) {
  const auto found = rooms_.find(name);
  if (found == rooms_.end()) return;
  Room& room = found->second;
  while (!room.events.empty()) {
    const Event& event = room.events.front();
    if (event.kind == '=') {
      const auto [node, number] = halves(event.text);
      if (node == node_->id() && !complete(name, &room, std::strtoull(number.c_str(), nullptr, 10))) break;
    } else {
      happen(name, &room, event);
    }
    room.events.pop_front();
  }
  dropIfEmpty(name);
}

// False: its reply is still to come.
bool RedisRooms::complete(const std::string& name, Room* room, std::uint64_t mark) {
  const auto found = room->entrances.find(mark);
  if (found == room->entrances.end()) return true;
  Entrance& entrance = found->second;
  if (!entrance.seen) return false;
  if (entrance.user.empty()) room->missed = false;
  catchUp(name, room, *entrance.seen);
  if (!entrance.user.empty()) node_->tell(entrance.loop, entrance.done, Status::kOk, entrance.seen->state);
  room->entrances.erase(found);
  return true;
}

// For those who are there already: what the events did not tell, as they were missed. For a room that is new here,
// nothing has been missed.
void RedisRooms::catchUp(const std::string& name, Room* room, const Seen& seen) {
  const std::set<std::string> members(seen.state.members.begin(), seen.state.members.end());
  if (std::exchange(room->isKnown, true)) {
    for (const Post& post : seen.state.posts) {
      if (isBehind(post.messageId, room->last)) events_->onRoomPost(post);
    }
    for (const std::string& user : members) {
      if (room->members.count(user) == 0) events_->onPresence(name, user, true);
    }
    for (const std::string& user : room->members) {
      if (members.count(user) == 0) events_->onPresence(name, user, false);
    }
    for (const std::string& answer : seen.elsewhere) {
      if (room->answers.count(answer) == 0) events_->onRoomAnswer(name, answer);
    }
  }
  room->members = members;
  room->answers = seen.elsewhere;
  if (!seen.state.posts.empty()) room->last = seen.state.posts.back().messageId;
}

void RedisRooms::happen(const std::string& name, Room* room, const Event& event) {
  if (room->missed || !room->isKnown) return;  // the reply that is awaited has it
  if (event.kind == '+' || event.kind == '-') {
    const bool online = event.kind == '+';
    const bool isNews = online ? room->members.insert(event.text).second : room->members.erase(event.text) > 0;
    if (isNews) events_->onPresence(name, event.text, online);
  } else if (event.kind == 'm') {
    Post post;
    if (!postFromJson(event.text, &post)) return;
    stampPost(event.stamp, &post);
    room->last = post.messageId;
    events_->onRoomPost(post);
  } else if (event.kind == 'a') {
    const auto [node, requestId] = halves(event.text);
    if (room->answers.size() > kMaxAnswers) room->answers.clear();
    if (node != node_->id() && room->answers.insert(requestId).second) events_->onRoomAnswer(name, requestId);
  }
}

// ---- ends ----

void RedisRooms::dropIfEmpty(const std::string& name) {
  const auto found = rooms_.find(name);
  if (found == rooms_.end()) return;
  const Room& room = found->second;
  if (!room.users.empty() || !room.entrances.empty() || !room.leaving.empty()) return;
  rooms_.erase(found);
  node_->channels().unsubscribe(node_->key("r:", name));
}

void RedisRooms::addHoldings(std::vector<std::string>* holdings) const {
  for (const auto& [name, room] : rooms_) {
    for (const std::string& user : room.users) holdings->push_back("r\n" + name + "\n" + user);
  }
}

void RedisRooms::onDown() {
  std::vector<std::string> names;
  for (auto& [name, room] : rooms_) {
    names.push_back(name);
    room.hears = false;
    room.missed = true;
    room.events.clear();
    room.leaving.clear();
    for (auto& [mark, entrance] : std::exchange(room.entrances, {})) fail(&room, &entrance);
  }
  for (const std::string& name : names) dropIfEmpty(name);
}

void RedisRooms::onTick() {
  if (!node_->isUp()) return;
  std::vector<std::string> names;
  for (const auto& [name, room] : rooms_) {
    const bool asks = std::any_of(room.entrances.begin(), room.entrances.end(),
                                  [](const auto& entrance) { return entrance.second.user.empty(); });
    if (room.hears && room.missed && !asks) names.push_back(name);
  }
  for (const std::string& name : names) askForMissed(name);
}

}  // namespace ai_chat
