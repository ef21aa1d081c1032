// The command line.
#ifndef AI_CHAT_OPTIONS_H
#define AI_CHAT_OPTIONS_H

#include <cstdint>
#include <string>
#include <vector>

#include "chat_connection.h"

namespace ai_chat {

struct Options {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 0;
  int threads = 0;
  std::string www;  // empty: the page that lies beside the sources
  std::vector<std::string> allowedOrigins;
  double stallTimeout = 30;
  std::string tlsCert;  // PEM files; both or none
  std::string tlsKey;
  std::string redisHost;  // empty: everything is kept in memory
  std::uint16_t redisPort = 0;
  std::string redisPasswordFile;
  std::string redisPrefix = "ai_chat:";  // of all keys and channels
  double drainSeconds = 30;              // for answers under way, when the server ends
  bool jsonLogs = false;
  bool verbose = false;
  ChatOptions chat;
};

struct CommandLine {
  bool help = false;
  std::string error;  // what is wrong; empty: `options` is good
  Options options;
};

// Reads the key file and the environment variable API_KEY, too.
CommandLine parseCommandLine(int argc, char** argv);

extern const char kUsage[];

}  // namespace ai_chat

#endif  // AI_CHAT_OPTIONS_H
