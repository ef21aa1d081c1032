// The words of the chat's parts for what people and the model say.
#ifndef AI_CHAT_CONVERSATION_H
#define AI_CHAT_CONVERSATION_H

#include <cstdint>
#include <functional>
#include <string>

namespace ai_chat {

// Where an answer belongs: a session of one reader, or a room.
struct Scope {
  enum class Kind { kNone, kSession, kRoom };
  Kind kind = Kind::kNone;
  std::string name;

  static Scope session(std::string id) { return {Kind::kSession, std::move(id)}; }
  static Scope room(std::string name) { return {Kind::kRoom, std::move(name)}; }
  // Of sessions and rooms with one name they differ.
  std::string key() const { return (kind == Kind::kRoom ? "r:" : "s:") + name; }
  bool operator==(const Scope& other) const { return kind == other.kind && name == other.name; }
};

// Names one answer, on every node.
struct AnswerId {
  Scope scope;
  std::string requestId;

  // Different answers have different keys: the length says where the scope ends.
  std::string key() const {
    const std::string scopeKey = scope.key();
    return std::to_string(scopeKey.size()) + ":" + scopeKey + ":" + requestId;
  }
  bool operator==(const AnswerId& other) const { return scope == other.scope && requestId == other.requestId; }
};

struct AnswerIdHash {
  std::size_t operator()(const AnswerId& id) const { return std::hash<std::string>()(id.key()); }
};

// A question and its answer: they are kept together, when the answer is over, so turns always alternate.
struct Exchange {
  std::string requestId;
  std::string question;  // UTF-8, as the answer
  std::string answer;    // in part, if it was stopped, failed, or is too long to keep
  std::string finishReason;
  bool isUnread = false;  // nobody on this node read its end
  std::size_t size() const { return question.size() + answer.size(); }
};

// What a person wrote to another one or into a room, or the question or answer of a model in a room.
struct Post {
  std::string messageId;  // the store makes it
  std::string id;         // the sender's own; empty for what the server posts
  std::string from;       // empty: the model
  std::string to;         // one of these two
  std::string room;
  std::string text;
  std::string requestId;     // of a question or answer
  std::string finishReason;  // of an answer
  std::int64_t at = 0;       // milliseconds since 1970; the store sets it
};

}  // namespace ai_chat

#endif  // AI_CHAT_CONVERSATION_H
