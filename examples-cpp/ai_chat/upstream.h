// One answer of a language model: POST {url}/chat/completions with "stream": true, turned into text as it arrives.
// Whatever the other side does, it ends with exactly one result, or without one when it was cancelled.
#ifndef AI_CHAT_UPSTREAM_H
#define AI_CHAT_UPSTREAM_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>
#include <muduo/net/TimerId.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "curl_loop.h"
#include "sse_parser.h"
#include "turn.h"
#include "utf8_hold.h"

namespace ai_chat {

struct UpstreamOptions {
  std::string url;  // up to and without /chat/completions
  std::string model = "default";
  std::string apiKey;  // empty: none is sent
  double connectTimeout = 10;     // seconds, name look-up and TLS included
  double firstTokenTimeout = 60;  // from the request to the first token
  double idleTimeout = 30;        // from token to token
  std::size_t maxEventBytes = 1024 * 1024;
  std::size_t maxAnswerBytes = 4 * 1024 * 1024;
  int retries = 2;
  double maxRetryAfter = 30;
};

struct UpstreamResult {
  std::string errorCode;  // of the chat's wire protocol; empty: the answer is complete
  std::string message;    // for a human; holds neither the key nor the URL
  std::string detail;     // for the log: the same, with what the operator needs
};

class UpstreamRequest : private CurlTransfer,
                        public std::enable_shared_from_this<UpstreamRequest>,
                        muduo::noncopyable {
 public:
  // Non-empty UTF-8. Called as tokens arrive; those that arrived together come together.
  using TextCallback = std::function<void(std::string_view)>;
  using EndCallback = std::function<void(const UpstreamResult&)>;

  // The callbacks are called in the loop, never before this returns. Both may cancel and drop the request.
  // `options` and `curl` must outlive it.
  static std::shared_ptr<UpstreamRequest> start(CurlLoop* curl, const UpstreamOptions& options,
                                                const std::vector<Turn>& turns, TextCallback onText, EndCallback onEnd);
  ~UpstreamRequest() override;

  // At once: the connection to the upstream is closed, no callback follows.
  void cancel();

  // While paused nothing more is read from the upstream, and its silence is nobody's fault.
  void pause();
  void resume();

 private:
  enum class State { kRunning, kEnded };
  enum class Body { kUnknown, kEvents, kOther };  // kOther: an error, or a 200 that is no event stream

  UpstreamRequest(CurlLoop* curl, const UpstreamOptions& options, TextCallback onText, EndCallback onEnd);
  void configure(const std::vector<Turn>& turns);

  bool onBody(const char* data, std::size_t length) override;
  void onProgress() override;
  void onFinished(CURLcode result) override;

  void recogniseBody();
  void readEvents(bool atEnd);
  bool readEvent(const SseEvent& event);
  void deliver();

  void setDeadline(double seconds);
  void startTimer();
  void onTimer();

  void complete();
  void fail(const std::string& code, const std::string& message, const std::string& detail = std::string());
  void failOther();
  void failTransport(CURLcode result);
  std::string withoutKey(std::string text) const;
  bool ended() const { return state_ == State::kEnded; }

  CurlLoop* const curl_;
  const UpstreamOptions& options_;
  const TextCallback onText_;
  const EndCallback onEnd_;

  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  char curlError_[CURL_ERROR_SIZE] = "";
  std::string requestBody_;

  State state_ = State::kRunning;
  Body body_ = Body::kUnknown;
  bool paused_ = false;
  bool lingering_ = false;   // the answer is complete, its HTTP body not yet
  bool heldByCurl_ = false;  // onBody() refused bytes
  std::size_t unread_ = 0;   // bytes that came in since onProgress()
  long status_ = 0;
  std::string contentType_;
  std::string other_;        // a body of kind kOther, bounded

  SseParser parser_;
  Utf8Hold hold_;
  std::string text_;         // ready to be delivered
  std::size_t answerBytes_ = 0;
  std::size_t events_ = 0;
  bool anyToken_ = false;
  bool finishReasonSeen_ = false;

  muduo::Timestamp deadline_;
  muduo::Timestamp timerAt_;
  muduo::net::TimerId timer_;
  bool timerSet_ = false;
};

}  // namespace ai_chat

#endif  // AI_CHAT_UPSTREAM_H
