#include "upstream.h"

#include <muduo/net/EventLoop.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "chat_json.h"
#include "upstream_url.h"
#include "utf8.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or newer is needed, for CURLOPT_QUICK_EXIT"
#endif

namespace ai_chat {

namespace {

constexpr std::size_t kMaxUnread = 256 * 1024;    // taken from libcurl before somebody reads it
constexpr std::size_t kMaxOtherBody = 64 * 1024;  // of an error body
constexpr std::size_t kMaxMessage = 500;          // of an upstream's own words in an error
constexpr double kDoneGrace = 3;                  // from the finish reason to [DONE]
constexpr double kLinger = 1;                     // from [DONE] to the end of the body

constexpr const char* kUnreachable = "upstream_unreachable";
constexpr const char* kTimeout = "upstream_timeout";
constexpr const char* kStatus = "upstream_status";
constexpr const char* kProtocol = "upstream_protocol";

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return std::string_view();
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// "Text/Event-Stream; charset=utf-8" → "text/event-stream"
std::string mediaType(const char* contentType) {
  if (contentType == nullptr) return std::string();
  std::string_view all(contentType);
  std::string type = replaceBroken(trim(all.substr(0, all.find(';'))));
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return shorten(type, 80);
}

// 30 → "30 s", 0.5 → "0.5 s"
std::string seconds(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

}  // namespace

// ---- the request ----

std::shared_ptr<UpstreamRequest> UpstreamRequest::start(CurlLoop* curl, const UpstreamOptions& options,
                                                        const std::vector<Turn>& turns, TextCallback onText,
                                                        EndCallback onEnd) {
  std::shared_ptr<UpstreamRequest> request(
      new UpstreamRequest(curl, options, std::move(onText), std::move(onEnd)));
  request->configure(turns);
  request->setDeadline(options.firstTokenTimeout);
  curl->start(request->easy_, request.get());
  return request;
}

UpstreamRequest::UpstreamRequest(CurlLoop* curl, const UpstreamOptions& options, TextCallback onText,
                                 EndCallback onEnd)
    : curl_(curl),
      options_(options),
      onText_(std::move(onText)),
      onEnd_(std::move(onEnd)),
      easy_(curl_easy_init()),
      parser_(options.maxEventBytes) {
  if (easy_ == nullptr) throw std::bad_alloc();
}

UpstreamRequest::~UpstreamRequest() {
  if (timerSet_) curl_->loop()->cancel(timer_);
  curl_->cancel(easy_);
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

void UpstreamRequest::configure(const std::vector<Turn>& turns) {
  requestBody_ = encodeCompletionRequest(options_.model, turns);
  const auto addHeader = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers_, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    headers_ = longer;
  };
  addHeader("Content-Type: application/json");
  addHeader("Accept: text/event-stream");
  addHeader("Expect:");  // no round trip before the body
  if (!options_.apiKey.empty()) addHeader("Authorization: Bearer " + options_.apiKey);

  const std::string url = options_.url + "/chat/completions";
  curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);  // the key and the conversation stay where they were sent
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(requestBody_.size()));
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, requestBody_.data());
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, "wsengine-ai-chat");
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connectTimeout * 1000));
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, curlError_);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  // Without it, cancelling waits for a name look-up under way: the loop would stand still.
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
  // A proxy of the environment is for the world outside.
  if (isLoopback(options_.url)) curl_easy_setopt(easy_, CURLOPT_NOPROXY, "*");
}

void UpstreamRequest::cancel() {
  if (ended()) return;
  state_ = State::kEnded;
  curl_->cancel(easy_);
}

void UpstreamRequest::pause() { paused_ = true; }

void UpstreamRequest::resume() {
  if (!std::exchange(paused_, false) || ended()) return;
  setDeadline(finishReasonSeen_ ? kDoneGrace : options_.idleTimeout);
  if (std::exchange(heldByCurl_, false)) curl_->resume(easy_);
}

// ---- the answer, as libcurl has it ----

// Inside libcurl: only stores.
bool UpstreamRequest::onBody(const char* data, std::size_t length) {
  if (ended()) return true;  // behind [DONE]
  if (paused_ || unread_ > kMaxUnread) {
    heldByCurl_ = true;
    return false;
  }
  recogniseBody();
  const std::string_view bytes(data, length);
  if (body_ == Body::kEvents) {
    parser_.feed(bytes);
    unread_ += length;
  } else {
    other_.append(bytes.substr(0, kMaxOtherBody - other_.size()));
  }
  return true;
}

void UpstreamRequest::onProgress() {
  if (ended()) return;
  const auto self = shared_from_this();
  unread_ = 0;
  if (body_ == Body::kEvents) {
    readEvents(/*atEnd=*/false);
  } else if (other_.size() == kMaxOtherBody) {
    failOther();
  }
  if (!ended() && !paused_ && std::exchange(heldByCurl_, false)) curl_->resume(easy_);
}

void UpstreamRequest::onFinished(CURLcode result) {
  if (ended()) return;
  const auto self = shared_from_this();
  recogniseBody();
  if (body_ == Body::kOther) {
    failOther();
  } else if (result != CURLE_OK) {
    failTransport(result);
  } else {
    readEvents(/*atEnd=*/true);
    if (ended()) return;
    if (finishReasonSeen_) {
      complete();
    } else if (events_ == 0) {
      fail(kProtocol, "the model's server sent an empty answer");
    } else {
      fail(kProtocol, "the model's server ended the answer before it was complete");
    }
  }
}

void UpstreamRequest::recogniseBody() {
  if (body_ != Body::kUnknown) return;
  const char* contentType = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status_);
  curl_easy_getinfo(easy_, CURLINFO_CONTENT_TYPE, &contentType);
  if (status_ == 0) return;  // no answer at all
  contentType_ = mediaType(contentType);
  const bool events = status_ == 200 && (contentType_.empty() || contentType_ == "text/event-stream");
  body_ = events ? Body::kEvents : Body::kOther;
}

// ---- events ----

void UpstreamRequest::readEvents(bool atEnd) {
  SseEvent event;
  for (;;) {
    const SseParser::Status status = atEnd ? parser_.finish(&event) : parser_.next(&event);
    if (status == SseParser::Status::kNeedMore) break;
    if (status == SseParser::Status::kTooLong) {
      fail(kProtocol, "the model's server sent an event longer than " + std::to_string(options_.maxEventBytes) +
                          " bytes");
      return;
    }
    if (!readEvent(event)) return;
  }
  deliver();
}

// False when that was the end.
bool UpstreamRequest::readEvent(const SseEvent& event) {
  ++events_;
  const std::string_view data = trim(event.data);
  if (data.empty()) return true;
  if (data == "[DONE]") {
    complete();
    return false;
  }
  const Chunk chunk = decodeChunk(data);
  if (chunk.kind == Chunk::Kind::kBroken) {
    fail(kProtocol, "the model's server sent something that is not a part of an answer: " + chunk.why);
    return false;
  }
  if (chunk.kind == Chunk::Kind::kError || event.type == "error") {
    const std::string words = shorten(withoutKey(decodeErrorMessage(data)), kMaxMessage);
    fail(kProtocol, "the model's server reported an error" + (words.empty() ? words : ": " + words),
         "the model's server reported an error");
    return false;
  }

  answerBytes_ += chunk.content.size();
  if (answerBytes_ > options_.maxAnswerBytes) {
    fail(kProtocol, "the answer is longer than " + std::to_string(options_.maxAnswerBytes) + " bytes");
    return false;
  }
  hold_.feed(chunk.content, &text_);
  // Comments and empty events do not count: a server that only says that it is alive must not go on for ever.
  if (!chunk.content.empty() || chunk.reasoning) {
    anyToken_ = true;
    setDeadline(options_.idleTimeout);
  }
  if (!chunk.finishReason.empty()) {
    finishReasonSeen_ = true;
    setDeadline(std::min(kDoneGrace, options_.idleTimeout));
  }
  return true;
}

void UpstreamRequest::deliver() {
  if (text_.empty() || ended()) return;
  const std::string text = std::exchange(text_, std::string());
  onText_(text);
}

// ---- deadlines ----

// Called for every token, so a timer that is set for an earlier time stays and looks again when it fires.
void UpstreamRequest::setDeadline(double seconds) {
  deadline_ = muduo::addTime(muduo::Timestamp::now(), seconds);
  if (!timerSet_ || deadline_ < timerAt_) startTimer();
}

void UpstreamRequest::startTimer() {
  if (timerSet_) curl_->loop()->cancel(timer_);
  timerSet_ = true;
  timerAt_ = deadline_;
  timer_ = curl_->loop()->runAt(deadline_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->onTimer();
  });
}

void UpstreamRequest::onTimer() {
  timerSet_ = false;
  if (lingering_) {
    curl_->cancel(easy_);
    return;
  }
  if (ended()) return;
  if (paused_) {
    setDeadline(options_.idleTimeout);
  } else if (muduo::Timestamp::now() < deadline_) {
    startTimer();
  } else if (recogniseBody(); body_ == Body::kOther) {
    failOther();
  } else if (finishReasonSeen_) {
    complete();
  } else if (anyToken_) {
    fail(kTimeout, "the model has sent nothing for " + seconds(options_.idleTimeout));
  } else {
    fail(kTimeout, "the model has not begun to answer within " + seconds(options_.firstTokenTimeout));
  }
}

// ---- ends ----

void UpstreamRequest::complete() {
  hold_.finish(&text_);
  deliver();
  if (ended()) return;
  state_ = State::kEnded;
  // What the upstream still has to say is not much; reading it keeps the connection good for the next request.
  lingering_ = true;
  paused_ = false;
  curl_->keepUntilFinished(easy_, shared_from_this());
  if (std::exchange(heldByCurl_, false)) curl_->resume(easy_);
  setDeadline(kLinger);
  onEnd_(UpstreamResult());
}

void UpstreamRequest::fail(const std::string& code, const std::string& message, const std::string& detail) {
  deliver();
  if (ended()) return;
  state_ = State::kEnded;
  curl_->cancel(easy_);
  onEnd_(UpstreamResult{code, message, options_.url + ": " + (detail.empty() ? message : detail)});
}

// An answer that is not a stream of events.
void UpstreamRequest::failOther() {
  const std::string words = shorten(withoutKey(decodeErrorMessage(other_)), kMaxMessage);
  std::string message;
  if (status_ != 200) {
    message = "the model's server answered with HTTP " + std::to_string(status_);
    if (status_ >= 300 && status_ < 400) message += " (redirects are not followed)";
  } else {
    message = "the model's server answered with " + contentType_ + " instead of an event stream";
  }
  fail(status_ != 200 ? kStatus : kProtocol, words.empty() ? message : message + ": " + words, message);
}

// libcurl gave up.
void UpstreamRequest::failTransport(CURLcode result) {
  if (finishReasonSeen_) {
    complete();
    return;
  }
  const std::string detail =
      std::string(curl_easy_strerror(result)) + (curlError_[0] != '\0' ? std::string(" (") + curlError_ + ")" : "");
  switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
      fail(kTimeout, "no connection to the model's server within " + seconds(options_.connectTimeout), detail);
      break;
    case CURLE_COULDNT_CONNECT: {
      long error = 0;
      curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
      const std::string why = error != 0 ? std::string(": ") + std::strerror(static_cast<int>(error)) : std::string();
      fail(kUnreachable, "the model's server cannot be reached" + why, detail);
      break;
    }
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      fail(kUnreachable, "the model's server cannot be reached: its name is not known", detail);
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      fail(kUnreachable, "the model's server cannot be reached: TLS failed", detail);
      break;
    case CURLE_OUT_OF_MEMORY:
      fail(kUnreachable, "the chat server has no memory or file descriptors left to ask the model", detail);
      break;
    case CURLE_GOT_NOTHING:
      fail(kProtocol, "the model's server closed the connection without an answer", detail);
      break;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      fail(kProtocol, "the model's server closed the connection before the answer was complete", detail);
      break;
    default:
      fail(kProtocol, std::string("the model's server broke the protocol: ") + curl_easy_strerror(result), detail);
  }
}

// An upstream that refuses a key may repeat it.
std::string UpstreamRequest::withoutKey(std::string text) const {
  constexpr std::string_view kInstead = "[API key]";
  if (options_.apiKey.empty()) return text;
  for (std::size_t at = 0; (at = text.find(options_.apiKey, at)) != std::string::npos; at += kInstead.size()) {
    text.replace(at, options_.apiKey.size(), kInstead);
  }
  return text;
}

}  // namespace ai_chat
