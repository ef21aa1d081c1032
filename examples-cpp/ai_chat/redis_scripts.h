// What is done in Redis in one step, in Lua. Redis knows a script by the SHA-1 of its text.
//
// KEYS[1] is the prefix of all keys; the rest is in ARGV. The keys that a script touches are not declared, which one
// server (with replicas) allows and Redis Cluster does not.
//
// Keys, behind the prefix:
//   clock          the last stamp: microseconds, each later than the one before, whatever the machine's clock does
//   nodes, n:NODE  all nodes; the heartbeat of one, which expires. Channel n:NODE is for what others ask it
//   h:NODE         what it holds: "u\nUSER" (online there) and "r\nROOM\nUSER" (joined there)
//   users          user -> SHA-256 of the token
//   o:USER         nodes where the user is online
//   i:USER         inbox: a stream, the stamp is the id and the messageId. Channel u:USER: "STAMP JSON"
//   d:FROM\nID     messageId of what was sent already
//   rm:ROOM, rn:ROOM\nUSER  users in a room; the nodes where one of them is
//   r:ROOM         its last posts: a stream. Channel r:ROOM: "STAMP KIND TEXT", of the kinds + - (presence), m (post),
//                  a (answer) and = (mark)
//   ra:ROOM        its answers under way, by stamp
//   a:ANSWER       owner ("NODE/NUMBER"; empty: lost), maker (the owner at first), last (seq), done; s:ANSWER its
//                  messages: a stream, the seq is the id. Channel a:ANSWER: "SEQ JSON", with "!" behind the seq of the
//                  last; 0 for a status; "= MAKER" when it begins
//   c:SCOPE        exchanges of a conversation: a list of JSON
#ifndef AI_CHAT_REDIS_SCRIPTS_H
#define AI_CHAT_REDIS_SCRIPTS_H

#include <string>

namespace ai_chat {

class RedisScript {
 public:
  explicit RedisScript(const char* body);  // behind what all have in common
  const std::string& text() const { return text_; }
  const std::string& sha1() const { return sha1_; }

 private:
  const std::string text_;
  const std::string sha1_;
};

struct RedisScripts {
  // node, milliseconds, 1 to bury the dead. 1: Redis knew this node.
  static const RedisScript heartbeat;
  // node, what it holds...: neither more nor less.
  static const RedisScript holdAll;
  static const RedisScript hold;  // node, holding
  static const RedisScript drop;  // node, holding
  static const RedisScript leaveAll;  // node

  // scope, JSON, requestId, requestId that it replaces or empty, exchanges, bytes, seconds, answer if nobody read it here
  static const RedisScript addExchange;

  // answer, owner, milliseconds, those of a heartbeat. {1, last}: ours; {0}
  static const RedisScript claim;
  // answer, owner, milliseconds, 1 when the last message is the end, first seq, messages...
  // {"ok", last}, {"unknown"}, {"lost"}
  static const RedisScript append;
  // answer, after, count. {} or {owner lives, last, done, owner, entries, maker}
  static const RedisScript read;
  // answer, owner, milliseconds, 1 even if its node lives, four pieces of text around two numbers
  static const RedisScript lose;
  static const RedisScript stop;  // answer

  static const RedisScript login;  // user, SHA-256, 1 without a token. 1: welcome
  // JSON, from, to, id, dedupe milliseconds, inbox size. {"ok", messageId, delivered}, {"unknown"}, {"full"}
  static const RedisScript sendDirect;
  // JSON, from, room, id, dedupe milliseconds, room size, milliseconds to keep it. As above.
  static const RedisScript sendRoom;
  static const RedisScript received;  // user, messageIds...

  // room, number of posts, mark, node, user to join or empty. {members, posts, answers, ...}
  static const RedisScript look;
  static const RedisScript announce;  // room, answer, requestId, node
};

}  // namespace ai_chat

#endif  // AI_CHAT_REDIS_SCRIPTS_H
