// What can be set of the chat itself; options.h has what is around it.
#ifndef AI_CHAT_CHAT_OPTIONS_H
#define AI_CHAT_CHAT_OPTIONS_H

#include <cstddef>
#include <string>

#include "store.h"
#include "upstream.h"

namespace ai_chat {

struct ChatOptions {
  UpstreamOptions upstream;
  Store::Limits store;               // answerSeconds is --grace
  std::size_t maxMessageBytes = 32 * 1024;
  std::size_t maxRuns = 256;         // answers under way
  std::size_t maxRunsPerUser = 4;    // of one user, or of one connection without login
  std::size_t maxQueue = 256;        // that wait for one of those
  std::size_t maxCommands = 50;      // messages a second from one connection
  double mergeSeconds = 0.04;        // what arrives within is one message
  std::string node;                  // name of this node; empty: made at start
  std::string userHeader;            // a header of the handshake that says who it is, set by a proxy; empty: none
};

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_OPTIONS_H
