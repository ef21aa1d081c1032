#include "log.h"

#include <muduo/base/Logging.h>

#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "utf8.h"

namespace ai_chat {

namespace {

constexpr std::size_t kMaxValueBytes = 1024;  // of a value: a line stays one that a pipe takes at once, more or less

// Set before any thread starts; atomic since Muduo may log in any of them at any time.
std::atomic<int> gLevel{Log::kInfo};
std::atomic<bool> gIsJson{false};

bool isJson() { return gIsJson.load(std::memory_order_relaxed); }

constexpr const char* kTextLevels[] = {"DEBUG", "INFO", "WARN", "ERROR"};
constexpr const char* kJsonLevels[] = {"debug", "info", "warn", "error"};

void appendTime(std::string* out) {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc;
  ::gmtime_r(&now.tv_sec, &utc);
  char text[80];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, static_cast<int>(now.tv_nsec / 1000000));
  *out += text;
}

// ---- what others have said must not look like a line, or like a field, of ours ----

bool isNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

// A word: "answer_done". Programmers give it, so it is not escaped but kept harmless.
void appendName(std::string_view name, std::string* out) {
  if (name.empty()) *out += '_';
  for (const char c : name) *out += isNameCharacter(c) ? c : '_';
}

// Characters of several bytes that end a line, steer a terminal, or turn the direction of what is shown.
bool isSteering(std::string_view character) {
  if (character.size() == 2) {
    return (character[0] == '\xC2' && static_cast<unsigned char>(character[1]) < 0xA0) || character == "\xD8\x9C";
  }
  if (character.size() != 3) return false;
  if (character == "\xEF\xBB\xBF") return true;
  if (character[0] != '\xE2') return false;
  const unsigned char second = static_cast<unsigned char>(character[1]);
  const unsigned char third = static_cast<unsigned char>(character[2]);
  if (second == 0x81) return third >= 0xA0 && third <= 0xAF;                                      // U+2060 and on
  return second == 0x80 && ((third >= 0x8B && third <= 0x8F) || (third >= 0xA8 && third <= 0xAE));  // U+200B, U+2028
}

void appendEscaped(unsigned codePoint, std::string* out) {
  char text[16];
  std::snprintf(text, sizeof text, "\\u%04x", codePoint);
  *out += text;
}

// As a JSON string, which is what the text format uses for what needs quotes, too.
void appendQuoted(std::string_view value, std::string* out) {
  const std::string text = shorten(replaceBroken(value), kMaxValueBytes);
  *out += '"';
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view character = rest.substr(0, firstPiece(rest).length);
    rest.remove_prefix(character.size());
    const unsigned char first = static_cast<unsigned char>(character[0]);
    if (character.size() > 1) {
      if (!isSteering(character)) {
        *out += character;
      } else if (character.size() == 2) {
        appendEscaped((first & 0x1Fu) << 6 | (static_cast<unsigned char>(character[1]) & 0x3Fu), out);
      } else {
        appendEscaped((first & 0x0Fu) << 12 | (static_cast<unsigned char>(character[1]) & 0x3Fu) << 6 |
                          (static_cast<unsigned char>(character[2]) & 0x3Fu),
                      out);
      }
    } else if (first == '"' || first == '\\') {
      *out += '\\';
      *out += character;
    } else if (first == '\n') {
      *out += "\\n";
    } else if (first == '\r') {
      *out += "\\r";
    } else if (first == '\t') {
      *out += "\\t";
    } else if (first < 0x20 || first == 0x7F) {
      appendEscaped(first, out);
    } else {
      *out += character;
    }
  }
  *out += '"';
}

// What needs no quotes in the text format: nothing that could be taken for the next field or for a quoted value.
bool isPlain(std::string_view value) {
  if (value.empty() || value.size() > kMaxValueBytes) return false;
  for (const char c : value) {
    if (!isNameCharacter(c) && c != ':' && c != '/' && c != '+' && c != '@' && c != ',' && c != '%') return false;
  }
  return true;
}

void appendKey(std::string_view key, std::string* out) {
  *out += isJson() ? ",\"" : " ";
  appendName(key, out);
  if (key == "time" || key == "level" || key == "event") *out += '_';  // those are every line's own
  *out += isJson() ? "\":" : "=";
}

template <typename Number>
void appendNumber(Number value, std::string* out) {
  char text[64];
  const std::to_chars_result result = std::to_chars(text, text + sizeof text, value);
  out->append(text, result.ptr);
}

void writeLine(std::string_view line) {
  while (!line.empty()) {  // a pipe may take less than all
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // a log has nowhere to report that it cannot log
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

// ---- Muduo's lines: "20240131 23:59:59.000000Z  1234 INFO  text - file.cc:12" ----

void dropSpaces(std::string_view* text) {
  while (!text->empty() && text->front() == ' ') text->remove_prefix(1);
}

std::string_view takeWord(std::string_view* text) {
  dropSpaces(text);
  const std::string_view word = text->substr(0, text->find(' '));
  text->remove_prefix(word.size());
  return word;
}

// False: the word is none of Muduo's levels.
bool levelOf(std::string_view word, Log::Level* level) {
  static constexpr std::pair<std::string_view, Log::Level> kLevels[] = {
      {"TRACE", Log::kDebug},  {"DEBUG", Log::kDebug}, {"INFO", Log::kInfo},
      {"WARN", Log::kWarning}, {"ERROR", Log::kError}, {"FATAL", Log::kError},
  };
  for (const auto& [name, itsLevel] : kLevels) {
    if (word == name) {
      *level = itsLevel;
      return true;
    }
  }
  return false;
}

// Peers hang up as they like. That is no error of ours, and anybody could fill the log with it.
bool isHangUp(std::string_view message, std::string_view source) {
  constexpr std::string_view kConnection = "TcpConnection.cc:";
  if (source.substr(0, kConnection.size()) != kConnection) return false;
  for (const std::string_view words : {"Connection reset by peer", "Broken pipe"}) {
    if (message.find(words) != std::string_view::npos) return true;
  }
  return false;
}

void takeFromMuduo(const char* data, int length) {
  const int savedErrno = errno;
  std::string_view line(data, static_cast<std::size_t>(length));
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);

  std::string_view rest = line;
  takeWord(&rest);  // date
  takeWord(&rest);  // time
  const std::string_view thread = takeWord(&rest);
  Log::Level level = Log::kError;
  if (!levelOf(takeWord(&rest), &level)) {
    Log(Log::kError, "muduo").add("message", line);  // the rest of a line that was too long for Muduo
    errno = savedErrno;
    return;
  }
  dropSpaces(&rest);
  std::string_view source;
  const std::size_t dash = rest.rfind(" - ");
  if (dash != std::string_view::npos) {
    source = rest.substr(dash + 3);
    rest = rest.substr(0, dash);
  }
  if (isHangUp(rest, source)) level = Log::kDebug;
  Log(level, "muduo").add("message", rest).add("source", source).add("thread", thread);
  errno = savedErrno;
}

void flushNothing() {}

muduo::Logger::LogLevel muduoLevel(Log::Level level) {
  switch (level) {
    case Log::kDebug: return muduo::Logger::DEBUG;
    case Log::kInfo: return muduo::Logger::INFO;
    case Log::kWarning: return muduo::Logger::WARN;
    case Log::kError: return muduo::Logger::ERROR;
  }
  return muduo::Logger::INFO;
}

}  // namespace

void Log::setUp(Level level, Format format) {
  gLevel.store(level);
  gIsJson.store(format == Format::kJson);
  muduo::Logger::setOutput(takeFromMuduo);
  muduo::Logger::setFlush(flushNothing);
  muduo::Logger::setLogLevel(muduoLevel(level));
}

Log::Log(Level level, std::string_view event) : enabled_(level >= gLevel.load(std::memory_order_relaxed)) {
  if (!enabled_) return;
  line_.reserve(256);
  if (isJson()) {
    line_ += "{\"time\":\"";
    appendTime(&line_);
    line_ += "\",\"level\":\"";
    line_ += kJsonLevels[level];
    line_ += "\",\"event\":\"";
    appendName(event, &line_);
    line_ += '"';
  } else {
    appendTime(&line_);
    line_ += ' ';
    line_ += kTextLevels[level];
    line_ += ' ';
    appendName(event, &line_);
  }
}

Log::~Log() {
  if (!enabled_) return;
  line_ += isJson() ? "}\n" : "\n";
  writeLine(line_);
}

Log& Log::add(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  appendKey(key, &line_);
  if (!isJson() && isPlain(value)) {
    line_ += value;
  } else {
    appendQuoted(value, &line_);
  }
  return *this;
}

Log& Log::add(std::string_view key, double value) {
  if (!enabled_) return *this;
  appendKey(key, &line_);
  if (std::isfinite(value)) {
    appendNumber(value, &line_);
  } else {
    line_ += isJson() ? "null" : "nan";
  }
  return *this;
}

Log& Log::add(std::string_view key, bool value) {
  if (!enabled_) return *this;
  appendKey(key, &line_);
  line_ += value ? "true" : "false";
  return *this;
}

Log& Log::add(std::string_view key, std::int64_t value) {
  if (!enabled_) return *this;
  appendKey(key, &line_);
  appendNumber(value, &line_);
  return *this;
}

Log& Log::add(std::string_view key, std::uint64_t value) {
  if (!enabled_) return *this;
  appendKey(key, &line_);
  appendNumber(value, &line_);
  return *this;
}

}  // namespace ai_chat
