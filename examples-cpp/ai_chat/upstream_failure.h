// What can go wrong with a model's server: what the reader is told, and whether to ask again.
#ifndef AI_CHAT_UPSTREAM_FAILURE_H
#define AI_CHAT_UPSTREAM_FAILURE_H

#include <curl/curl.h>

#include <string>
#include <string_view>

#include "answer_reader.h"

namespace ai_chat {

struct UpstreamFailure {
  const char* code;         // of docs/PROTOCOL.md
  std::string message;      // for people
  std::string words = {};   // the server's own, behind the message; not for the log: they may hold what was asked
  std::string detail = {};  // for the log; empty: `message`
  bool isPassing = false;   // worth another try at once, if nothing of an answer has come
  bool isRetryable = true;  // the same question may succeed later
};

// libcurl gave up. `osError`: what connect() said, or 0.
UpstreamFailure transportFailure(CURLcode result, const char* curlError, long osError, double connectTimeout);

// An answer with a status other than 200.
UpstreamFailure statusFailure(long status, std::string_view body);

UpstreamFailure answerFailure(const AnswerReader::Failure& failure);

// Silence. `hasBegun`: the model had been heard before.
UpstreamFailure silenceFailure(bool hasBegun, double seconds);

// 30 → "30 s", 0.5 → "0.5 s"
std::string inSeconds(double value);

}  // namespace ai_chat

#endif  // AI_CHAT_UPSTREAM_FAILURE_H
