#include "sse_parser.h"

#include <utility>

namespace ai_chat {

void SseParser::feed(std::string_view bytes) {
  // What was read is dropped here, once per feed and not once per line.
  input_.erase(0, lineBegin_);
  searched_ -= lineBegin_;
  lineBegin_ = 0;
  input_.append(bytes);
}

SseParser::Status SseParser::next(SseEvent* event) {
  std::string_view line;
  while (!tooLong_ && nextLine(&line)) {
    if (!line.empty()) {
      readLine(line);
    } else if (dispatch(event)) {
      return Status::kEvent;
    }
  }
  const std::size_t unfinished = input_.size() - lineBegin_;
  if (tooLong_ || unfinished + data_.size() > maxEventBytes_) {
    tooLong_ = true;
    return Status::kTooLong;
  }
  return Status::kNeedMore;
}

SseParser::Status SseParser::finish(SseEvent* event) {
  const Status status = next(event);
  if (status != Status::kNeedMore) return status;
  if (lineBegin_ < input_.size()) {
    readLine(std::string_view(input_).substr(lineBegin_));
    lineBegin_ = searched_ = input_.size();
    if (tooLong_) return Status::kTooLong;
  }
  return dispatch(event) ? Status::kEvent : Status::kNeedMore;
}

// Lines end in LF, CR or CRLF. A CR ends its line at once, without waiting for a LF.
bool SseParser::nextLine(std::string_view* line) {
  if (skipLineFeed_ && lineBegin_ < input_.size()) {
    if (input_[lineBegin_] == '\n') ++lineBegin_;
    if (searched_ < lineBegin_) searched_ = lineBegin_;
    skipLineFeed_ = false;
  }
  const std::size_t end = input_.find_first_of("\r\n", searched_);
  if (end == std::string::npos) {
    searched_ = input_.size();
    return false;
  }
  *line = std::string_view(input_).substr(lineBegin_, end - lineBegin_);
  skipLineFeed_ = input_[end] == '\r';
  lineBegin_ = searched_ = end + 1;
  return true;
}

void SseParser::readLine(std::string_view line) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (std::exchange(firstLine_, false) && line.substr(0, 3) == kByteOrderMark) line.remove_prefix(3);

  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);

  // A comment has an empty field name; id and retry mean nothing for an answer, which cannot be taken up again.
  if (field == "event") {
    type_.assign(value);
  } else if (field == "data") {
    if (std::exchange(hasData_, true)) data_.push_back('\n');
    data_.append(value);
  } else if (field == "error") {
    // No field of the standard: llama.cpp's way to report an error, for years.
    type_ = "error";
    hasData_ = true;
    data_.assign(value);
  }
  if (line.size() > maxEventBytes_ || data_.size() > maxEventBytes_) tooLong_ = true;
}

bool SseParser::dispatch(SseEvent* event) {
  std::string type = std::exchange(type_, std::string());
  if (!std::exchange(hasData_, false)) return false;
  event->type = type.empty() ? "message" : std::move(type);
  event->data = std::exchange(data_, std::string());
  return true;
}

}  // namespace ai_chat
