// The body of a model's answer, in whatever form servers send it: a stream of events, or one JSON text. Bytes in,
// tokens out.
#ifndef AI_CHAT_ANSWER_READER_H
#define AI_CHAT_ANSWER_READER_H

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "model_json.h"
#include "sse_parser.h"

namespace ai_chat {

class AnswerReader {
 public:
  struct Limits {
    std::size_t eventBytes;
    std::size_t answerBytes;
  };
  enum class State {
    kOpen,    // more may come
    kDone,    // the answer is complete
    kFailed,  // it never will be: see failure()
  };
  struct Failure {
    enum class Kind {
      kNonsense,  // no answer at all, or too long
      kBrokeOff,  // the body ended too early
      kReported,  // the server itself says that it failed
    };
    Kind kind = Kind::kNonsense;
    std::string message;
    std::string words;  // the server's own, on one line
    int status = 0;     // kReported: the HTTP status that it would have been; 0: not told
  };

  // `mediaType` in lower case, without parameters; empty: the server told none.
  AnswerReader(std::string mediaType, Limits limits);

  // Only stores.
  void feed(std::string_view bytes);

  // Reads what was fed, and appends to `tokens` what the model said: bytes, that may end in the middle of a character.
  State read(std::string* tokens) { return readAll(/*atEnd=*/false, tokens); }
  // The same, and nothing will follow.
  State finish(std::string* tokens) { return readAll(/*atEnd=*/true, tokens); }

  // Pieces of text so far.
  std::size_t pieces() const { return pieces_; }
  // Grows whenever the model shows that it is at work. Comments and empty events do not count: a server that only says
  // that it is alive could go on for ever.
  std::size_t signs() const { return signs_; }
  // The model's own word, as soon as it is known.
  const std::string& finishReason() const { return finishReason_; }
  const std::optional<UpstreamUsage>& usage() const { return usage_; }
  const Failure& failure() const { return failure_; }

 private:
  enum class Form { kUnknown, kEvents, kWhole, kOther };

  Form recognise(char first) const;
  State readAll(bool atEnd, std::string* tokens);
  State readEvents(bool atEnd, std::string* tokens);
  State readEvent(const SseEvent& event, std::string* tokens);
  State readWhole(std::string* tokens);
  State readChunk(const Chunk& chunk, std::string_view json, std::string* tokens);
  State end();
  State fail(Failure::Kind kind, std::string message);
  State failReported(std::string_view json, int status);

  const std::string mediaType_;
  const Limits limits_;
  State state_ = State::kOpen;
  Form form_ = Form::kUnknown;
  SseParser parser_;
  std::string whole_;  // a body of one JSON text
  bool isTooLong_ = false;

  std::size_t events_ = 0;
  std::size_t pieces_ = 0;
  std::size_t signs_ = 0;
  std::size_t answerBytes_ = 0;
  std::string finishReason_;
  std::optional<UpstreamUsage> usage_;
  Failure failure_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_ANSWER_READER_H
