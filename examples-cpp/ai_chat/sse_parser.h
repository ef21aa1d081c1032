// The text/event-stream format (WHATWG HTML, 9.2), incrementally: bytes in, cut anywhere; events out.
#ifndef AI_CHAT_SSE_PARSER_H
#define AI_CHAT_SSE_PARSER_H

#include <cstddef>
#include <string>
#include <string_view>

namespace ai_chat {

struct SseEvent {
  std::string type;  // "message" when the stream names none
  std::string data;  // data lines, joined by \n
};

// Feed, then call next() until it has no more. Nothing calls back, so the owner may stop, pause or
// destroy the parser between any two events.
class SseParser {
 public:
  enum class Status {
    kEvent,     // *event is filled
    kNeedMore,  // no whole event is left
    kTooLong,   // a line or an event exceeds the limit; the stream cannot be trusted any more
  };

  explicit SseParser(std::size_t maxEventBytes) : maxEventBytes_(maxEventBytes) {}

  void feed(std::string_view bytes);
  Status next(SseEvent* event);

  // The stream has ended. By the standard an event without its closing blank line is dropped; real
  // servers end with "data: [DONE]" and no newline, so it is handed out here for the caller to judge.
  Status finish(SseEvent* event);

 private:
  bool nextLine(std::string_view* line);
  void readLine(std::string_view line);
  bool dispatch(SseEvent* event);

  const std::size_t maxEventBytes_;
  std::string input_;
  std::size_t lineBegin_ = 0;  // first byte of input_ that belongs to no finished line
  std::size_t searched_ = 0;   // input_ holds no line end in [lineBegin_, searched_)
  bool skipLineFeed_ = false;  // the last line ended in CR: a LF that follows belongs to it
  bool firstLine_ = true;
  bool tooLong_ = false;

  std::string type_;
  std::string data_;
  bool hasData_ = false;
};

}  // namespace ai_chat

#endif  // AI_CHAT_SSE_PARSER_H
