#include "answer_reader.h"

#include <algorithm>
#include <utility>

namespace ai_chat {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return std::string_view();
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

AnswerReader::AnswerReader(std::string mediaType, Limits limits)
    : mediaType_(std::move(mediaType)), limits_(limits), parser_(limits.eventBytes) {}

void AnswerReader::feed(std::string_view bytes) {
  if (form_ == Form::kUnknown) {
    // Some servers send blank lines to keep the connection alive, before they know what to say.
    bytes.remove_prefix(std::min(bytes.find_first_not_of(kSpace), bytes.size()));
    if (bytes.empty()) return;
    form_ = recognise(bytes.front());
  }
  if (form_ == Form::kEvents) {
    parser_.feed(bytes);
  } else if (form_ == Form::kWhole) {
    // In JSON a text may be twice as long as it is.
    isTooLong_ = isTooLong_ || whole_.size() + bytes.size() > 2 * limits_.answerBytes + limits_.eventBytes;
    if (isTooLong_) {
      whole_.clear();
    } else {
      whole_.append(bytes);
    }
    ++signs_;
  }
}

// The first byte knows better than the Content-Type: servers and gateways send streams as JSON, or JSON although a
// stream was asked for, and leave the header as it was.
AnswerReader::Form AnswerReader::recognise(char first) const {
  if (first == '{') return Form::kWhole;
  if (mediaType_.empty() || mediaType_ == "text/event-stream") return Form::kEvents;
  // data, event, id, retry, or a comment
  const bool isField = mediaType_ != "text/html" && std::string_view("deir:").find(first) != std::string_view::npos;
  return isField ? Form::kEvents : Form::kOther;
}

AnswerReader::State AnswerReader::readAll(bool atEnd, std::string* tokens) {
  if (state_ != State::kOpen) return state_;
  if (form_ == Form::kOther) {
    state_ = fail(Failure::Kind::kNonsense,
                  "the model's server answered with " + mediaType_ + " instead of an event stream");
  } else if (isTooLong_) {
    state_ = fail(Failure::Kind::kNonsense,
                  "the answer is longer than " + std::to_string(limits_.answerBytes) + " bytes");
  } else if (form_ == Form::kWhole) {
    state_ = atEnd ? readWhole(tokens) : State::kOpen;
  } else {
    state_ = readEvents(atEnd, tokens);
  }
  return state_;
}

// ---- a stream of events ----

AnswerReader::State AnswerReader::readEvents(bool atEnd, std::string* tokens) {
  SseEvent event;
  for (;;) {
    const SseParser::Status status = atEnd ? parser_.finish(&event) : parser_.next(&event);
    if (status == SseParser::Status::kNeedMore) break;
    if (status == SseParser::Status::kTooLong) {
      return fail(Failure::Kind::kNonsense, "the model's server sent an event longer than " +
                                                std::to_string(limits_.eventBytes) + " bytes");
    }
    const State state = readEvent(event, tokens);
    if (state != State::kOpen) return state;
  }
  return atEnd ? end() : State::kOpen;
}

AnswerReader::State AnswerReader::readEvent(const SseEvent& event, std::string* tokens) {
  ++events_;
  const std::string_view data = trim(event.data);
  if (data.empty()) return State::kOpen;
  if (data == "[DONE]") return State::kDone;
  const Chunk chunk = decodeChunk(data);
  if (event.type == "error") return failReported(data, chunk.status);
  return readChunk(chunk, data, tokens);
}

// ---- one JSON text ----

AnswerReader::State AnswerReader::readWhole(std::string* tokens) {
  const std::string whole = std::exchange(whole_, std::string());
  ++events_;
  const Chunk chunk = decodeChunk(whole);
  const State state = readChunk(chunk, whole, tokens);
  if (state != State::kOpen) return state;
  if (!chunk.hasChoice) {
    return fail(Failure::Kind::kNonsense, "the model's server answered with JSON that is no completion");
  }
  return State::kDone;
}

// ---- both ----

AnswerReader::State AnswerReader::readChunk(const Chunk& chunk, std::string_view json, std::string* tokens) {
  if (chunk.kind == Chunk::Kind::kBroken) {
    return fail(Failure::Kind::kNonsense,
                "the model's server sent something that is not a part of an answer: " + chunk.why);
  }
  if (chunk.kind == Chunk::Kind::kError) return failReported(json, chunk.status);
  if (chunk.usage) usage_ = chunk.usage;  // where every chunk has it, the last one is right

  // Some streams end with the whole answer, once more.
  const bool isRepeated = chunk.isMessage && pieces_ != 0;
  if (!chunk.content.empty() && !isRepeated) {
    answerBytes_ += chunk.content.size();
    if (answerBytes_ > limits_.answerBytes) {
      return fail(Failure::Kind::kNonsense,
                  "the answer is longer than " + std::to_string(limits_.answerBytes) + " bytes");
    }
    tokens->append(chunk.content);
    ++pieces_;
    ++signs_;
  }
  if (chunk.reasoning) ++signs_;
  if (chunk.finishReason == "error") return failReported(json, 0);
  if (!chunk.finishReason.empty()) finishReason_ = chunk.finishReason;
  return State::kOpen;
}

AnswerReader::State AnswerReader::end() {
  if (!finishReason_.empty()) return State::kDone;
  return fail(Failure::Kind::kBrokeOff, events_ == 0 ? "the model's server sent an empty answer"
                                                     : "the model's server ended the answer before it was complete");
}

AnswerReader::State AnswerReader::fail(Failure::Kind kind, std::string message) {
  failure_.kind = kind;
  failure_.message = std::move(message);
  return State::kFailed;
}

AnswerReader::State AnswerReader::failReported(std::string_view json, int status) {
  failure_.words = decodeErrorMessage(json);
  failure_.status = status;
  return fail(Failure::Kind::kReported, "the model's server reported an error");
}

}  // namespace ai_chat
