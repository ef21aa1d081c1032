#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <ws_engine.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>

#include "config_file.h"
#include "secret_file.h"
#include "upstream_url.h"

namespace ai_chat {

namespace {

// What a user gave is wrong.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// ---- kinds of values: how a text becomes one, and what it is when nobody says anything ----

// Throws Wrong, which begins behind the option's name: "takes ...".
using Set = std::function<void(const std::string&)>;

struct Value {
  Set set;
  std::string standard;  // for --help; empty: none
  bool isFlag = false;
  bool isList = false;
  std::function<void()> clear = {};  // of a list
};

Wrong unfit(const std::string& what, const std::string& text) {
  return Wrong("takes " + what + ", not \"" + text + "\"");
}

// As people write it: 10, 0.04.
std::string decimal(double value) {
  char text[32];
  const std::to_chars_result result = std::to_chars(text, text + sizeof text, value);
  return std::string(text, result.ptr);
}

long long integer(const std::string& text, long long low, long long high) {
  long long value = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || value < low || value > high) {
    throw unfit("a number from " + std::to_string(low) + " to " + std::to_string(high), text);
  }
  return value;
}

double real(const std::string& text, const std::string& unit, double low, double high) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value) || value < low || value > high) {
    throw unfit(unit + " from " + decimal(low) + " to " + decimal(high), text);
  }
  return value;
}

// -1: there is none, as long as nobody says so.
template <typename Integer>
Value number(Integer* at, long long low, long long high) {
  const bool isSet = *at != static_cast<Integer>(-1);
  return {[=](const std::string& text) { *at = static_cast<Integer>(integer(text, low, high)); },
          isSet ? std::to_string(*at) : std::string()};
}

Value required(Value value, bool* isGiven) {
  return {[set = value.set, isGiven](const std::string& text) { set(text), *isGiven = true; }, ""};
}

Value seconds(double* at, double low = 0.01, double high = 86400) {
  return {[=](const std::string& text) { *at = real(text, "seconds", low, high); }, decimal(*at)};
}

Value milliseconds(double* at, double low, double high) {
  return {[=](const std::string& text) { *at = real(text, "milliseconds", low, high) / 1000; }, decimal(*at * 1000)};
}

Value text(std::string* at) {
  return {[=](const std::string& given) { *at = given; }, *at};
}

Value text(std::string* at, bool (*isFit)(const std::string&), const std::string& what) {
  return {[=](const std::string& given) {
            if (!isFit(given)) throw unfit(what, given);
            *at = given;
          },
          *at};
}

// Without a value on the command line; true or false in a file.
Value flag(bool* at) {
  return {[=](const std::string& given) {
            if (given != "true" && given != "false") throw unfit("true or false", given);
            *at = given == "true";
          },
          "", true};
}

Value oneOf(bool* at, const std::string& whenFalse, const std::string& whenTrue) {
  return {[=](const std::string& given) {
            if (given != whenFalse && given != whenTrue) throw unfit(whenFalse + " or " + whenTrue, given);
            *at = given == whenTrue;
          },
          *at ? whenTrue : whenFalse};
}

// "redis.example.com:6379", "[::1]:6379"
Value hostAndPort(std::string* host, std::uint16_t* port) {
  return {[=](const std::string& given) {
            const std::size_t colon = given.rfind(':');
            std::string name = given.substr(0, colon);
            const bool isBracketed = name.size() > 2 && name.front() == '[' && name.back() == ']';
            if (isBracketed) name = name.substr(1, name.size() - 2);
            in6_addr address;
            const bool isFit = isBracketed ? inet_pton(AF_INET6, name.c_str(), &address) == 1
                                           : !name.empty() && name.find_first_of(":[]/@ ") == std::string::npos;
            if (colon == std::string::npos || !isFit) throw unfit("HOST:PORT or [IPV6]:PORT", given);
            *port = static_cast<std::uint16_t>(integer(given.substr(colon + 1), 1, 65535));
            *host = name;
          },
          ""};
}

Value list(std::vector<std::string>* at, bool (*isFit)(const std::string&), const std::string& what) {
  return {[=](const std::string& given) {
            if (!isFit(given)) throw unfit(what, given);
            at->push_back(given);
          },
          "", false, true, [at] { at->clear(); }};
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

bool consistsOf(const std::string& text, const char* characters, std::size_t maxSize) {
  constexpr const char kAlphanumeric[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const std::string all = std::string(kAlphanumeric) + characters;
  return !text.empty() && text.size() <= maxSize && text.find_first_not_of(all) == std::string::npos;
}

bool isNode(const std::string& text) { return consistsOf(text, "._-", 64); }
bool isHeaderName(const std::string& text) { return consistsOf(text, "!#$%&'*+-.^_`|~", 128); }
bool isPrefix(const std::string& text) { return consistsOf(text, "._-:{}/", 64); }

// ---- the table: command line, file and --help are made of it ----

struct Option {
  const char* name;      // null: `help` is the heading of what follows
  const char* argument;  // in --help
  Value value;
  const char* help;
};

// What is not in Options itself.
struct Extras {
  std::string config;
  std::string keyFile;
  bool portGiven = false;
};

std::vector<Option> table(CommandLine* line, Extras* extras) {
  Options& o = line->options;
  ChatOptions& chat = o.chat;
  UpstreamOptions& model = chat.upstream;
  Store::Limits& kept = chat.store;
  const Value none = {};
  const std::string address = "an IPv4 or IPv6 address";
  return {
      {nullptr, "", none, "Where it listens"},
      {"port", "P", required(number(&o.port, 0, 65535), &extras->portGiven),
       "TCP port to listen on; 0 takes a free one and prints it"},
      {"bind", "ADDR", text(&o.bind, isAddress, address), "address to listen on"},
      {"threads", "N", number(&o.threads, 0, 64), "event loops besides the first one, 0 to 64"},
      {"tls-cert", "FILE", text(&o.tlsCert),
       "PEM file of the certificate, with those between it and the root: https and wss only. SIGHUP reads it again"},
      {"tls-key", "FILE", text(&o.tlsKey), "PEM file of its key"},
      {"www", "DIR", text(&o.www), "folder of the page (default: the one that comes with the sources)"},
      {"allow-origin", "ORIGIN", list(&o.allowedOrigins, isOrigin, "https://host[:port] or \"*\""),
       "a page of this origin (https://app.example.com) may use the chat, \"*\" for any; may be given several times, and "
       "then is the whole list (default: the server's own origin)"},
      {"user-header", "NAME", text(&chat.userHeader, isHeaderName, "the name of an HTTP header"),
       "header of the handshake that says who the user is, set by a proxy that everybody has to pass (default: users "
       "log in)"},
      {"stall-timeout", "S", seconds(&o.stallTimeout), "seconds after which a browser that takes no byte is dropped"},

      {nullptr, "", none, "The model"},
      {"upstream", "URL", text(&model.url),
       "an OpenAI-compatible server, up to /chat/completions: http://127.0.0.1:8081/v1"},
      {"model", "M", text(&model.model), "name of the model to ask for"},
      {"api-key-file", "FILE", text(&extras->keyFile),
       "file that holds the upstream's API key; without it the environment variable API_KEY is used"},
      {"connect-timeout", "S", seconds(&model.connectTimeout), "seconds to connect to the upstream"},
      {"first-token-timeout", "S", seconds(&model.firstTokenTimeout), "seconds from the question to the first token"},
      {"idle-timeout", "S", seconds(&model.idleTimeout), "seconds from token to token"},
      {"retries", "N", number(&model.retries, 0, 10),
       "times a question is asked again when the upstream is busy or gone, before the first token"},
      {"max-retry-after", "S", seconds(&model.maxRetryAfter, 0, 3600),
       "longest wait before that; an upstream that asks for a longer one is not asked again"},

      {nullptr, "", none, "Answers"},
      {"max-message", "BYTES", number(&chat.maxMessageBytes, 1, 512 * 1024), "longest question"},
      {"max-answer", "BYTES", number(&model.maxAnswerBytes, 1, 1 << 30), "longest answer"},
      {"max-runs", "N", number(&chat.maxRuns, 1, 100000), "answers under way on this node"},
      {"max-runs-per-user", "N", number(&chat.maxRunsPerUser, 1, 100000),
       "of one user, or of one connection without login"},
      {"max-queue", "N", number(&chat.maxQueue, 0, 1000000), "questions that wait for their turn"},
      {"max-commands", "N", number(&chat.maxCommands, 1, 100000), "messages a second from one connection"},
      {"merge", "MS", milliseconds(&chat.mergeSeconds, 0, 1000), "tokens that arrive within so many ms are one message"},
      {"grace", "S", seconds(&kept.answerSeconds, 1, 86400),
       "seconds that an answer is kept behind its end, and goes on without a reader"},

      {nullptr, "", none, "What is kept"},
      {"history-turns", "N", number(&kept.turns, 0, 1000), "turns of a conversation that the model sees again"},
      {"history-bytes", "N", number(&kept.bytes, 0, 16 * 1024 * 1024), "the same in bytes"},
      {"history-conversations", "N", number(&kept.conversations, 0, 100000000), "conversations in memory"},
      {"history-total-bytes", "N", number(&kept.totalBytes, 0, 1LL << 40), "the same in bytes"},
      {"room-messages", "N", number(&kept.roomPosts, 0, 50), "last messages of a room"},
      {"inbox-messages", "N", number(&kept.inboxPosts, 1, 100000), "messages that wait for a user who is away"},

      {nullptr, "", none, "Several nodes"},
      {"redis", "HOST:PORT", hostAndPort(&o.redisHost, &o.redisPort),
       "Redis that the nodes share (default: all is kept in this process)"},
      {"redis-password-file", "FILE", text(&o.redisPasswordFile), "file that holds its password"},
      {"redis-prefix", "TEXT", text(&o.redisPrefix, isPrefix, "letters, digits and . _ - : { } /"),
       "of all keys and channels there"},
      {"node", "NAME", text(&chat.node, isNode, "letters, digits and . _ -"),
       "name of this node, which no other has (default: made at start)"},

      {nullptr, "", none, "Operation"},
      {"config", "FILE", text(&extras->config),
       "file of options: \"name = value\" lines without the --, # begins a comment. The command line wins"},
      {"check-config", "", flag(&line->checkConfig), "says whether everything given is good, and ends"},
      {"drain", "S", seconds(&o.drainSeconds, 0, 3600), "seconds that answers under way have when the server is told to end"},
      {"metrics-port", "P", number(&o.metricsPort, 0, 65535),
       "TCP port of /metrics (and /healthz), plain HTTP; 0 takes a free one (default: no metrics)"},
      {"metrics-bind", "ADDR", text(&o.metricsBind, isAddress, address), "address of that port"},
      {"log-format", "text|json", oneOf(&o.jsonLogs, "text", "json"), "how a line of the log looks"},
      {"verbose", "", flag(&o.verbose), "log connections and answers, not only problems"},
      {"help", "", flag(&line->help), "this text"},
  };
}

bool isOnlyOfCommandLine(const std::string& name) {
  return name == "config" || name == "check-config" || name == "help";
}

// ---- --help ----

// "  --name ARG    what it is", wrapped.
void appendHelp(const Option& option, std::string* out) {
  constexpr std::size_t kIndent = 30;
  constexpr std::size_t kWidth = 118;
  std::vector<std::string> words;
  std::istringstream help(option.help);
  for (std::string word; help >> word;) words.push_back(word);
  if (!option.value.standard.empty()) words.push_back("(default: " + option.value.standard + ")");

  std::string left = std::string("  --") + option.name;
  if (*option.argument != '\0') left += std::string(" ") + option.argument;
  left.resize(std::max(left.size() + 1, kIndent), ' ');
  std::string line = left;
  for (const std::string& word : words) {
    if (line.size() + word.size() > kWidth) {
      *out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
      line = std::string(kIndent, ' ');
    }
    line += word + " ";
  }
  line.pop_back();
  *out += line + "\n";
}

// ---- reading ----

Option* findOption(std::vector<Option>* options, const std::string& name) {
  for (Option& option : *options) {
    if (option.name != nullptr && name == option.name) return &option;
  }
  return nullptr;
}

struct Given {
  Option* option;
  std::string value;
};

// The words of the command line; nothing is set yet, since the file comes first.
std::vector<Given> readWords(std::vector<Option>* options, int argc, char** argv) {
  constexpr int kFirst = 256;  // above all characters
  std::vector<option> known;
  std::vector<Option*> byId;
  for (Option& one : *options) {
    if (one.name == nullptr) continue;
    known.push_back({one.name, one.value.isFlag ? no_argument : required_argument, nullptr,
                     kFirst + static_cast<int>(byId.size())});
    byId.push_back(&one);
  }
  known.push_back({nullptr, 0, nullptr, 0});

  std::vector<Given> given;
  opterr = 0;
  optind = 1;
  for (;;) {
    const int at = optind;
    const int id = getopt_long(argc, argv, "+:", known.data(), nullptr);
    if (id == -1) break;
    if (id == ':') throw Wrong(std::string(argv[at]) + " needs a value");
    if (id == '?') throw Wrong(std::string("unknown option ") + argv[at]);
    Option* const one = byId[static_cast<std::size_t>(id - kFirst)];
    given.push_back({one, one->value.isFlag ? "true" : optarg});
  }
  if (optind < argc) throw Wrong(std::string("unexpected argument ") + argv[optind]);
  return given;
}

void setFromFile(std::vector<Option>* options, const std::string& file) {
  std::set<std::string> seen;
  for (const ConfigEntry& entry : readConfigFile(file)) {
    Option* const option = isOnlyOfCommandLine(entry.name) ? nullptr : findOption(options, entry.name);
    if (option == nullptr) throw Wrong(entry.where + ": there is no option " + entry.name);
    if (!seen.insert(entry.name).second && !option->value.isList) {
      throw Wrong(entry.where + ": " + entry.name + " is given twice");
    }
    try {
      option->value.set(entry.value);
    } catch (const Wrong& wrong) {
      throw Wrong(entry.where + ": " + entry.name + " " + wrong.what());
    }
  }
}

void setFromWords(const std::vector<Given>& given) {
  std::set<const Option*> seen;
  for (const Given& one : given) {
    if (seen.insert(one.option).second && one.option->value.isList) one.option->value.clear();  // wins over the file
    try {
      one.option->value.set(one.value);
    } catch (const Wrong& wrong) {
      throw Wrong(std::string("--") + one.option->name + " " + wrong.what());
    }
  }
}

// What no option says alone, and what lies in files.
void complete(CommandLine* line, const Extras& extras) {
  Options& options = line->options;
  UpstreamOptions& upstream = options.chat.upstream;
  if (!extras.portGiven) throw Wrong("--port is missing");
  if (upstream.url.empty()) throw Wrong("--upstream is missing");
  const std::string urlError = checkUpstreamUrl(&upstream.url);
  if (!urlError.empty()) throw Wrong("--upstream: " + urlError);
  if (options.tlsCert.empty() != options.tlsKey.empty()) throw Wrong("--tls-cert and --tls-key go together");
  if (!options.redisPasswordFile.empty() && options.redisHost.empty()) {
    throw Wrong("--redis-password-file needs --redis");
  }

  const char* fromEnvironment = std::getenv("API_KEY");
  if (!extras.keyFile.empty()) {
    upstream.apiKey = readSecret("API key", extras.keyFile, &line->warnings);
  } else if (fromEnvironment != nullptr && *fromEnvironment != '\0') {
    upstream.apiKey = checkedSecret("API key", fromEnvironment, "the environment variable API_KEY");
  }
  if (!options.redisPasswordFile.empty()) {
    options.redisPassword = readSecret("password", options.redisPasswordFile, &line->warnings);
  }
  if (!upstream.apiKey.empty() && upstream.url.compare(0, 5, "http:") == 0 && !isLoopback(upstream.url)) {
    line->warnings.push_back("the API key goes over the network unencrypted: use https:// for --upstream");
  }
}

}  // namespace

CommandLine parseCommandLine(int argc, char** argv) {
  CommandLine line;
  Extras extras;
  std::vector<Option> options = table(&line, &extras);
  try {
    const std::vector<Given> given = readWords(&options, argc, argv);
    for (const Given& one : given) {
      if (isOnlyOfCommandLine(one.option->name)) one.option->value.set(one.value);
    }
    if (line.help) return line;
    if (!extras.config.empty()) setFromFile(&options, extras.config);
    setFromWords(given);
    complete(&line, extras);
  } catch (const std::runtime_error& error) {
    line.error = error.what();
  }
  return line;
}

std::string usage() {
  CommandLine line;
  Extras extras;
  std::string out = "usage: ai_chat --port P --upstream URL [option...]\n       ai_chat --config FILE [option...]\n";
  for (const Option& option : table(&line, &extras)) {
    if (option.name == nullptr) {
      out += std::string("\n") + option.help + "\n";
    } else {
      appendHelp(option, &out);
    }
  }
  return out;
}

}  // namespace ai_chat
