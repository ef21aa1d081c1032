// One answer of a language model: POST {url}/chat/completions with "stream": true, turned into text as it arrives.
// Whatever the other side does, it ends with exactly one result, or without one when it was cancelled.
#ifndef AI_CHAT_UPSTREAM_H
#define AI_CHAT_UPSTREAM_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>
#include <muduo/net/TimerId.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer_reader.h"
#include "curl_loop.h"
#include "model_json.h"
#include "turn.h"
#include "upstream_failure.h"

namespace ai_chat {

class ChatMetrics;

struct UpstreamOptions {
  std::string url;  // up to and without /chat/completions
  std::string model = "default";
  std::string apiKey;  // empty: none is sent
  double connectTimeout = 10;     // seconds, name look-up and TLS included; this and the next one for each try
  double firstTokenTimeout = 60;  // from the request to the first token
  double idleTimeout = 30;        // from token to token
  int retries = 2;                // of a try that failed before its first token and may do better at once
  double retryFirst = 0.5;        // seconds to the first of them, at most; to each further one twice as long
  double maxRetryAfter = 30;      // the longest wait; a server that asks for a longer one is not asked again
  std::size_t maxEventBytes = 1024 * 1024;
  std::size_t maxAnswerBytes = 4 * 1024 * 1024;
};

struct UpstreamResult {
  std::string errorCode;   // of docs/PROTOCOL.md; empty: the answer is complete
  std::string message;     // for a human; holds neither the key nor the URL
  std::string detail;      // for the log: the same, with what the operator needs
  bool retryable = false;  // the same question may succeed later
  std::string finishReason;  // of a complete answer: the model's own word; "stop" when it ended without one
  std::optional<UpstreamUsage> usage;
};

class UpstreamRequest : private CurlTransfer,
                        public std::enable_shared_from_this<UpstreamRequest>,
                        muduo::noncopyable {
 public:
  // Called in the loop, never before start() returns. Each may cancel and drop the request.
  struct Callbacks {
    // Not empty. As they came: bytes that may end in the middle of a character, or never become one. What arrived
    // together comes together.
    std::function<void(std::string_view bytes)> onTokens;
    // The model has the question. Once a try, before its first token.
    std::function<void()> onThinking;
    // It will be asked again in so many seconds. `detail`: what went wrong, for the log.
    std::function<void(double seconds, const std::string& detail)> onRetry;
    std::function<void(const UpstreamResult&)> onEnd;
  };

  // `curl`, `options` and `metrics` (which may be null) must outlive it. onThinking and onRetry may be empty.
  static std::shared_ptr<UpstreamRequest> start(CurlLoop* curl, const UpstreamOptions& options,
                                                const std::vector<Turn>& turns, Callbacks callbacks,
                                                ChatMetrics* metrics);
  ~UpstreamRequest() override;

  // At once: the connection to the upstream is closed, no callback follows.
  void cancel();

  // While paused nothing more is read from the upstream, and its silence is nobody's fault. What has been read already
  // may still come.
  void pause();
  void resume();

 private:
  enum class State { kAsking, kWaiting, kEnded };  // kWaiting: for the next try

  UpstreamRequest(CurlLoop* curl, const UpstreamOptions& options, const std::vector<Turn>& turns, Callbacks callbacks,
                  ChatMetrics* metrics);
  void configure();
  void ask();

  bool onBody(const char* data, std::size_t length) override;
  void onProgress() override;
  void onFinished(CURLcode result) override;

  void recogniseHead();
  void tellThinking();
  void readAnswer(AnswerReader::State (AnswerReader::*read)(std::string*));
  void deliver(const std::string& tokens, std::size_t pieces);
  bool isFinishing() const { return reader_ && !reader_->finishReason().empty(); }

  void setDeadline(double seconds);
  void startTimer();
  void onTimer();

  void failStatus();
  void giveUpTry(const UpstreamFailure& failure);
  bool refusesUsage() const;

  void complete();
  void fail(const UpstreamFailure& failure, double retryAfter);
  void end(UpstreamResult result);
  std::string logged(const UpstreamFailure& failure) const;
  std::string withoutKey(std::string text) const;
  bool ended() const { return state_ == State::kEnded; }

  CurlLoop* const curl_;
  const UpstreamOptions& options_;
  const std::vector<Turn> turns_;
  Callbacks callbacks_;
  ChatMetrics* const metrics_;

  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  char curlError_[CURL_ERROR_SIZE] = "";
  std::string requestBody_;

  State state_ = State::kAsking;
  bool paused_ = false;
  bool lingering_ = false;  // the answer is complete, its HTTP body not yet
  bool usageRefusedHere_ = false;
  int retriesDone_ = 0;

  // The try under way.
  bool wantsUsage_ = false;
  bool heldByCurl_ = false;  // onBody() refused bytes
  std::size_t unread_ = 0;   // bytes that came in since onProgress()
  long status_ = 0;
  std::optional<AnswerReader> reader_;  // of an answer with the status 200
  std::string errorBody_;               // of any other, bounded
  bool toldThinking_ = false;
  bool errorSeen_ = false;
  std::size_t signsSeen_ = 0;
  bool finishSeen_ = false;
  muduo::Timestamp askedAt_;

  muduo::Timestamp deadline_;
  muduo::Timestamp timerAt_;
  muduo::net::TimerId timer_;
  bool timerSet_ = false;
};

}  // namespace ai_chat

#endif  // AI_CHAT_UPSTREAM_H
