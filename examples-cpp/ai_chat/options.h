// What can be set: on the command line, or in a file of the same names; options.cc has the table of them.
#ifndef AI_CHAT_OPTIONS_H
#define AI_CHAT_OPTIONS_H

#include <cstdint>
#include <string>
#include <vector>

#include "chat_options.h"

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
  std::string redisPassword;               // what that file holds
  std::string redisPrefix = "ai_chat:";    // of all keys and channels
  std::string metricsBind = "127.0.0.1";
  int metricsPort = -1;                    // of /metrics; -1: there is none
  double drainSeconds = 30;                // for answers under way, when the server ends
  bool jsonLogs = false;
  bool verbose = false;
  ChatOptions chat;
};

struct CommandLine {
  bool help = false;
  bool checkConfig = false;  // say whether all is good, and end
  std::string error;         // what is wrong; empty: `options` is good
  std::vector<std::string> warnings;
  Options options;
};

// Reads the file of --config, the files of secrets and the environment variable API_KEY, too. What the command line says
// wins over the file.
CommandLine parseCommandLine(int argc, char** argv);

// What --help says.
std::string usage();

}  // namespace ai_chat

#endif  // AI_CHAT_OPTIONS_H
