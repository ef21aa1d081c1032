#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <ws_engine.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "upstream_url.h"

namespace ai_chat {

const char kUsage[] =
    R"(usage: ai_chat --port P --upstream URL [options]

  --port P                 TCP port to listen on; 0 takes a free one and prints it
  --upstream URL           an OpenAI-compatible server, up to /chat/completions: http://127.0.0.1:8081/v1
  --model M                name of the model to ask for (default: "default")
  --api-key-file FILE      file that holds the upstream's API key; without it the environment variable API_KEY is used
  --www DIR                folder of the page (default: the one that comes with the sources)
  --bind ADDR              address to listen on (default: 127.0.0.1)
  --threads N              event loops besides the first one, 0 to 64 (default: 0)
  --allow-origin ORIGIN    a page of this origin (https://app.example.com) may use the chat, "*" for any; may be given
                           several times, and then is the whole list (default: the server's own origin)

  --max-message BYTES      longest question (default: 32768)
  --max-answer BYTES       longest answer (default: 4194304)
  --history-turns N        turns of a session that the model sees again, 0 to 1000 (default: 40)
  --history-bytes N        the same in bytes (default: 65536)

  --connect-timeout S      seconds to connect to the upstream (default: 10)
  --first-token-timeout S  seconds from the question to the first token (default: 60)
  --idle-timeout S         seconds from token to token (default: 30)
  --retries N              times a question is asked again when the upstream is busy or gone, 0 to 10 (default: 2)
  --max-retry-after S      longest time that the upstream may ask to wait before that (default: 30)
  --stall-timeout S        seconds after which a browser that takes no byte is dropped (default: 30)

  --verbose                log connections and answers, not only problems
  --help                   this text
)";

namespace {

// What a user gave is wrong.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

long long integer(const std::string& name, const char* text, long long low, long long high) {
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value < low || value > high) {
    throw Wrong("--" + name + " takes a number from " + std::to_string(low) + " to " + std::to_string(high) +
                ", not \"" + text + "\"");
  }
  return value;
}

std::size_t size(const std::string& name, const char* text, long long low, long long high) {
  return static_cast<std::size_t>(integer(name, text, low, high));
}

double seconds(const std::string& name, const char* text) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !std::isfinite(value) || value < 0.01 || value > 86400) {
    throw Wrong("--" + name + " takes seconds from 0.01 to 86400, not \"" + text + "\"");
  }
  return value;
}

// The key goes into an HTTP header, so nothing but visible ASCII may be in it. It is never repeated in an error.
std::string checkedKey(std::string key, const std::string& where) {
  const std::size_t begin = key.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) throw Wrong("the API key in " + where + " is empty");
  key = key.substr(begin, key.find_last_not_of(" \t\r\n") - begin + 1);
  for (const char c : key) {
    if (c <= ' ' || c > '~') throw Wrong("the API key in " + where + " holds a character that no key has");
  }
  return key;
}

std::string readKey(const std::string& file) {
  constexpr std::size_t kMaxBytes = 8192;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Wrong("cannot read the API key in " + file + ": " + std::strerror(errno));
  std::string key(kMaxBytes, '\0');
  in.read(&key[0], static_cast<std::streamsize>(kMaxBytes));
  if (in.bad() || in.gcount() == static_cast<std::streamsize>(kMaxBytes)) {
    throw Wrong("the API key in " + file + " cannot be read or is too long");
  }
  key.resize(static_cast<std::size_t>(in.gcount()));
  return checkedKey(key, file);
}

bool isAddress(const std::string& text) {
  in6_addr address;
  return inet_pton(AF_INET, text.c_str(), &address) == 1 || inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool isOrigin(const std::string& text) {
  if (text == "*") return true;
  const std::unique_ptr<ws_config, decltype(&ws_config_free)> config(ws_config_new(), &ws_config_free);
  return config && ws_config_allow_origin(config.get(), text.c_str()) == WS_OK;
}

Options parse(int argc, char** argv, bool* help) {
  enum Id {
    kPort = 1, kUpstream, kModel, kApiKeyFile, kWww, kBind, kThreads, kAllowOrigin, kMaxMessage, kMaxAnswer,
    kHistoryTurns, kHistoryBytes, kConnectTimeout, kFirstTokenTimeout, kIdleTimeout, kRetries, kMaxRetryAfter,
    kStallTimeout, kVerbose, kHelp
  };
  static const option kOptions[] = {
      {"port", required_argument, nullptr, kPort},
      {"upstream", required_argument, nullptr, kUpstream},
      {"model", required_argument, nullptr, kModel},
      {"api-key-file", required_argument, nullptr, kApiKeyFile},
      {"www", required_argument, nullptr, kWww},
      {"bind", required_argument, nullptr, kBind},
      {"threads", required_argument, nullptr, kThreads},
      {"allow-origin", required_argument, nullptr, kAllowOrigin},
      {"max-message", required_argument, nullptr, kMaxMessage},
      {"max-answer", required_argument, nullptr, kMaxAnswer},
      {"history-turns", required_argument, nullptr, kHistoryTurns},
      {"history-bytes", required_argument, nullptr, kHistoryBytes},
      {"connect-timeout", required_argument, nullptr, kConnectTimeout},
      {"first-token-timeout", required_argument, nullptr, kFirstTokenTimeout},
      {"idle-timeout", required_argument, nullptr, kIdleTimeout},
      {"retries", required_argument, nullptr, kRetries},
      {"max-retry-after", required_argument, nullptr, kMaxRetryAfter},
      {"stall-timeout", required_argument, nullptr, kStallTimeout},
      {"verbose", no_argument, nullptr, kVerbose},
      {"help", no_argument, nullptr, kHelp},
      {nullptr, 0, nullptr, 0},
  };

  Options options;
  UpstreamOptions& upstream = options.chat.upstream;
  std::string keyFile;
  bool portGiven = false;
  opterr = 0;
  optind = 1;
  for (;;) {
    const int at = optind;
    int index = 0;
    const int id = getopt_long(argc, argv, ":", kOptions, &index);
    if (id == -1) break;
    const std::string name = id == '?' || id == ':' ? std::string() : kOptions[index].name;
    switch (id) {
      case kPort:
        options.port = static_cast<std::uint16_t>(integer(name, optarg, 0, 65535));
        portGiven = true;
        break;
      case kUpstream: upstream.url = optarg; break;
      case kModel: upstream.model = optarg; break;
      case kApiKeyFile: keyFile = optarg; break;
      case kWww: options.www = optarg; break;
      case kBind: options.bind = optarg; break;
      case kThreads: options.threads = static_cast<int>(integer(name, optarg, 0, 64)); break;
      case kAllowOrigin: options.allowedOrigins.push_back(optarg); break;
      case kMaxMessage: options.chat.maxMessageBytes = size(name, optarg, 1, 512 * 1024); break;
      case kMaxAnswer: upstream.maxAnswerBytes = size(name, optarg, 1, 1 << 30); break;
      case kHistoryTurns: options.chat.sessions.turnsPerSession = size(name, optarg, 0, 1000); break;
      case kHistoryBytes: options.chat.sessions.bytesPerSession = size(name, optarg, 0, 16 * 1024 * 1024); break;
      case kConnectTimeout: upstream.connectTimeout = seconds(name, optarg); break;
      case kFirstTokenTimeout: upstream.firstTokenTimeout = seconds(name, optarg); break;
      case kIdleTimeout: upstream.idleTimeout = seconds(name, optarg); break;
      case kRetries: upstream.retries = static_cast<int>(integer(name, optarg, 0, 10)); break;
      case kMaxRetryAfter: upstream.maxRetryAfter = seconds(name, optarg); break;
      case kStallTimeout: options.stallTimeout = seconds(name, optarg); break;
      case kVerbose: options.verbose = true; break;
      case kHelp: *help = true; return options;
      case ':': throw Wrong(std::string(argv[at]) + " needs a value");
      default: throw Wrong(std::string("unknown option ") + argv[at]);
    }
  }
  if (optind < argc) throw Wrong(std::string("unexpected argument ") + argv[optind]);

  if (!portGiven) throw Wrong("--port is missing");
  if (upstream.url.empty()) throw Wrong("--upstream is missing");
  const std::string urlError = checkUpstreamUrl(&upstream.url);
  if (!urlError.empty()) throw Wrong("--upstream: " + urlError);
  if (!isAddress(options.bind)) throw Wrong("--bind takes an IPv4 or IPv6 address, not \"" + options.bind + "\"");

  for (const std::string& origin : options.allowedOrigins) {
    if (!isOrigin(origin)) throw Wrong("--allow-origin takes https://host[:port] or \"*\", not \"" + origin + "\"");
  }

  const char* fromEnvironment = std::getenv("API_KEY");
  if (!keyFile.empty()) {
    upstream.apiKey = readKey(keyFile);
  } else if (fromEnvironment != nullptr && *fromEnvironment != '\0') {
    upstream.apiKey = checkedKey(fromEnvironment, "the environment variable API_KEY");
  }
  return options;
}

}  // namespace

CommandLine parseCommandLine(int argc, char** argv) {
  CommandLine line;
  try {
    line.options = parse(argc, argv, &line.help);
  } catch (const Wrong& wrong) {
    line.error = wrong.what();
  }
  return line;
}

}  // namespace ai_chat
