// What a browser says and hears, as docs/PROTOCOL.md has it. The JSON library stays inside wire.cc.
#ifndef AI_CHAT_WIRE_H
#define AI_CHAT_WIRE_H

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conversation.h"

namespace ai_chat {

extern const char kSubprotocol[];  // "wsengine-chat.v1"

// ---- the browser's messages ----

struct ChatCommand {
  Scope scope;
  std::string requestId;  // empty: the server makes one
  std::string message;
  std::string regenerate;  // requestId of the exchange that this one replaces
};
struct StopCommand {
  Scope scope;            // none: what this connection asked for
  std::string requestId;  // empty: all of that
};
struct ResumeCommand {
  AnswerId answer;
  std::uint64_t after = 0;
};
struct HistoryCommand {
  std::string sessionId;
};
struct PingCommand {
  std::string id;  // JSON; empty: none
};
struct LoginCommand {
  std::string user;
  std::string token;
};
struct MessageCommand {
  std::string id;
  std::string to;    // one of these two
  std::string room;
  std::string text;
};
struct ReceivedCommand {
  std::vector<std::string> messageIds;
};
struct JoinCommand {
  std::string room;
};
struct LeaveCommand {
  std::string room;
};
// Not understood, or refused. A `chat` or `resume` gets a done:true behind the error.
struct BadCommand {
  std::string code;
  std::string why;        // for people
  std::string requestId;  // what could be read of it
  std::string id;
  bool awaitsAnswer = false;
  bool retryable = false;
};
using Command = std::variant<ChatCommand, StopCommand, ResumeCommand, HistoryCommand, PingCommand, LoginCommand,
                             MessageCommand, ReceivedCommand, JoinCommand, LeaveCommand, BadCommand>;

// Fields that are not known are ignored; of a field that occurs twice the last one counts, as in a browser.
Command decodeCommand(std::string_view json);

// ---- the server's messages; those of an answer that have a seq come from the engine's token stream ----

std::string encodeStatus(std::string_view requestId, std::string_view status);
std::string encodeQueued(std::string_view requestId, std::size_t position);
std::string encodeRetrying(std::string_view requestId, double retryAfter);

struct ErrorReply {
  std::string_view code;
  std::string_view message;
  bool retryable = false;
  std::string_view requestId = {};
  std::string_view id = {};
};
std::string encodeError(const ErrorReply& error);
// What ends an answer that never began, behind its error. Without seq: it is of no log.
std::string encodeRefused(std::string_view requestId);

// What a stream message says; for the history.
std::string contentOf(std::string_view json);

std::string encodeHistory(std::string_view sessionId, const std::vector<Exchange>& exchanges);
std::string encodePong(std::string_view id);
std::string encodeWelcome(std::string_view user, std::string_view node, std::size_t unread);
std::string encodeAck(std::string_view id, std::string_view messageId, const bool* delivered);
std::string encodePost(const Post& post);

struct RoomState;  // store.h
std::string encodeJoined(std::string_view room, const RoomState& state);
std::string encodeLeft(std::string_view room);
std::string encodePresence(std::string_view room, std::string_view user, bool online);
std::string encodeService(std::string_view node, std::string_view store, bool degraded);

}  // namespace ai_chat

#endif  // AI_CHAT_WIRE_H
