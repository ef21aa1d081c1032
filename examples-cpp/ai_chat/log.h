// Structured logs: one line an event, on standard error, as `key=value` text or as JSON.
//
//   Log(Log::kInfo, "answer_done").add("requestId", id).add("ms", took);
//
// Values are escaped; nobody may give a key, a token, or what people say to each other or to the model.
#ifndef AI_CHAT_LOG_H
#define AI_CHAT_LOG_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ai_chat {

class Log {
 public:
  enum Level { kDebug, kInfo, kWarning, kError };
  enum class Format { kText, kJson };

  // Before any thread starts. Muduo's own lines come the same way, as event "muduo".
  static void setUp(Level level, Format format);

  Log(Level level, std::string_view event);
  ~Log();  // writes the line, with one write()
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  Log& add(std::string_view key, std::string_view value);
  Log& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  Log& add(std::string_view key, const std::string& value) { return add(key, std::string_view(value)); }
  Log& add(std::string_view key, double value);
  Log& add(std::string_view key, bool value);
  Log& add(std::string_view key, std::int64_t value);
  Log& add(std::string_view key, std::uint64_t value);
  Log& add(std::string_view key, int value) { return add(key, static_cast<std::int64_t>(value)); }

 private:
  const bool enabled_;
  std::string line_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_LOG_H
