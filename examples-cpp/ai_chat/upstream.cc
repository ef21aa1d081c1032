#include "upstream.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <new>
#include <random>
#include <utility>

#include "chat_metrics.h"
#include "upstream_url.h"
#include "utf8.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or newer is needed, for CURLOPT_QUICK_EXIT"
#endif

namespace ai_chat {

namespace {

constexpr std::size_t kMaxUnread = 256 * 1024;    // taken from libcurl before somebody reads it
constexpr std::size_t kMaxErrorBody = 64 * 1024;
constexpr std::size_t kMaxMessage = 500;          // of an upstream's own words in an error
constexpr double kErrorGrace = 2;                 // from an error's status to the end of its body
constexpr double kDoneGrace = 3;                  // from the finish reason to [DONE]
constexpr double kLinger = 1;                     // from [DONE] to the end of the body

// The model's server is known to refuse stream_options. Of the process: there is one such server.
std::atomic<bool> usageIsRefused{false};

// "Text/Event-Stream; charset=utf-8" → "text/event-stream"
std::string mediaType(const char* contentType) {
  if (contentType == nullptr) return std::string();
  constexpr std::string_view kSpace = " \t";
  std::string_view all(contentType);
  all = all.substr(0, all.find(';'));
  all.remove_prefix(std::min(all.find_first_not_of(kSpace), all.size()));
  all = all.substr(0, all.find_last_not_of(kSpace) + 1);
  std::string type = replaceBroken(all);
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return shorten(type, 80);
}

// From 0 up to, not including, `below`.
double random(double below) {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, below)(engine);
}

}  // namespace

// ---- the request ----

std::shared_ptr<UpstreamRequest> UpstreamRequest::start(CurlLoop* curl, const UpstreamOptions& options,
                                                        const std::vector<Turn>& turns, Callbacks callbacks,
                                                        ChatMetrics* metrics) {
  std::shared_ptr<UpstreamRequest> request(
      new UpstreamRequest(curl, options, turns, std::move(callbacks), metrics));
  request->configure();
  request->ask();
  return request;
}

UpstreamRequest::UpstreamRequest(CurlLoop* curl, const UpstreamOptions& options, const std::vector<Turn>& turns,
                                 Callbacks callbacks, ChatMetrics* metrics)
    : curl_(curl),
      options_(options),
      turns_(turns),
      callbacks_(std::move(callbacks)),
      metrics_(metrics),
      easy_(curl_easy_init()) {
  if (easy_ == nullptr) throw std::bad_alloc();
}

UpstreamRequest::~UpstreamRequest() {
  if (timerSet_) curl_->loop()->cancel(timer_);
  curl_->cancel(easy_);
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

void UpstreamRequest::configure() {
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
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, "wsengine-ai-chat");
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connectTimeout * 1000));
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, curlError_);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // a proxy's answer is not the model's
  // Without it, cancelling waits for a name look-up under way: the loop would stand still.
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
  // A proxy of the environment is for the world outside.
  if (isLoopback(options_.url)) curl_easy_setopt(easy_, CURLOPT_NOPROXY, "*");
}

// One try. Nothing is left of the one before.
void UpstreamRequest::ask() {
  wantsUsage_ = !usageIsRefused && !usageRefusedHere_;
  requestBody_ = encodeCompletionRequest(options_.model, turns_, wantsUsage_);
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(requestBody_.size()));
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, requestBody_.data());

  state_ = State::kAsking;
  curlError_[0] = '\0';
  heldByCurl_ = false;
  unread_ = 0;
  status_ = 0;
  reader_.reset();
  errorBody_.clear();
  toldThinking_ = errorSeen_ = finishSeen_ = false;
  signsSeen_ = 0;
  askedAt_ = muduo::Timestamp::now();
  setDeadline(options_.firstTokenTimeout);
  curl_->start(easy_, this);
}

void UpstreamRequest::cancel() {
  if (ended()) return;
  state_ = State::kEnded;
  curl_->cancel(easy_);
}

void UpstreamRequest::pause() {
  if (ended() || std::exchange(paused_, true)) return;
  if (metrics_ != nullptr) ++metrics_->pauses;
}

void UpstreamRequest::resume() {
  if (!std::exchange(paused_, false) || state_ != State::kAsking) return;
  setDeadline(finishSeen_ ? kDoneGrace : signsSeen_ != 0 ? options_.idleTimeout : options_.firstTokenTimeout);
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
  recogniseHead();
  const std::string_view bytes(data, length);
  if (reader_) {
    reader_->feed(bytes);
    unread_ += length;
  } else {
    errorBody_.append(bytes.substr(0, kMaxErrorBody - errorBody_.size()));
  }
  return true;
}

void UpstreamRequest::onProgress() {
  if (ended()) return;
  const auto self = shared_from_this();
  unread_ = 0;
  recogniseHead();
  if (reader_) {
    tellThinking();
    if (!ended()) readAnswer(&AnswerReader::read);
  } else if (errorBody_.size() == kMaxErrorBody) {
    failStatus();
  } else if (status_ != 0 && !std::exchange(errorSeen_, true)) {
    setDeadline(std::min(kErrorGrace, options_.firstTokenTimeout));
  }
  if (state_ == State::kAsking && !paused_ && std::exchange(heldByCurl_, false)) curl_->resume(easy_);
}

void UpstreamRequest::onFinished(CURLcode result) {
  if (ended()) return;
  const auto self = shared_from_this();
  recogniseHead();
  if (status_ != 0 && !reader_) {
    failStatus();
  } else if (result == CURLE_OK && reader_) {
    readAnswer(&AnswerReader::finish);
  } else if (isFinishing()) {
    complete();
  } else {
    if (result == CURLE_OK) result = CURLE_WEIRD_SERVER_REPLY;  // a head that is none
    long osError = 0;
    curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &osError);
    giveUpTry(transportFailure(result, curlError_, osError, options_.connectTimeout));
  }
}

void UpstreamRequest::recogniseHead() {
  if (status_ != 0) return;
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200) return;  // no answer yet, or none at all
  status_ = status;
  if (status_ != 200) return;
  const char* contentType = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_CONTENT_TYPE, &contentType);
  reader_.emplace(mediaType(contentType),
                  AnswerReader::Limits{options_.maxEventBytes, options_.maxAnswerBytes});
}

void UpstreamRequest::tellThinking() {
  if (std::exchange(toldThinking_, true)) return;
  if (usageRefusedHere_ && !usageIsRefused.exchange(true)) {
    LOG_WARN << "the model's server takes no stream_options: it is not asked for the usage any more";
  }
  if (callbacks_.onThinking) callbacks_.onThinking();
}

// ---- the answer, as the model means it ----

void UpstreamRequest::readAnswer(AnswerReader::State (AnswerReader::*read)(std::string*)) {
  const std::size_t piecesBefore = reader_->pieces();
  std::string tokens;
  const AnswerReader::State answer = ((*reader_).*read)(&tokens);
  deliver(tokens, reader_->pieces() - piecesBefore);
  if (ended()) return;
  switch (answer) {
    case AnswerReader::State::kDone:
      complete();
      return;
    case AnswerReader::State::kFailed:
      giveUpTry(answerFailure(reader_->failure()));
      return;
    case AnswerReader::State::kOpen:
      break;
  }
  if (finishSeen_) return;
  if (isFinishing()) {
    finishSeen_ = true;
    setDeadline(std::min(kDoneGrace, options_.idleTimeout));
  } else if (reader_->signs() != signsSeen_) {
    signsSeen_ = reader_->signs();
    setDeadline(options_.idleTimeout);
  }
}

void UpstreamRequest::deliver(const std::string& tokens, std::size_t pieces) {
  if (tokens.empty()) return;
  if (metrics_ != nullptr) {
    metrics_->tokens += pieces;
    if (pieces == reader_->pieces()) {  // the first ones
      metrics_->timeToFirstToken.observe(muduo::timeDifference(muduo::Timestamp::now(), askedAt_));
    }
  }
  callbacks_.onTokens(tokens);
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
  if (muduo::Timestamp::now() < deadline_) {
    startTimer();
  } else if (state_ == State::kWaiting) {
    ask();
  } else if (paused_) {
    setDeadline(options_.idleTimeout);
  } else if (recogniseHead(); status_ != 0 && !reader_) {
    failStatus();
  } else if (isFinishing()) {
    complete();
  } else {
    giveUpTry(silenceFailure(signsSeen_ != 0, signsSeen_ != 0 ? options_.idleTimeout : options_.firstTokenTimeout));
  }
}

// ---- a try that failed, and the next one ----

void UpstreamRequest::failStatus() {
  if (!refusesUsage()) {
    giveUpTry(statusFailure(status_, errorBody_));
    return;
  }
  usageRefusedHere_ = true;
  curl_->cancel(easy_);
  ask();
}

// An older server, or a strict one. That is no failure of the question: it is asked at once, without. The answer to
// that decides what is remembered for all others: an error may name the word only because it repeats the request.
bool UpstreamRequest::refusesUsage() const {
  return wantsUsage_ && (status_ == 400 || status_ == 422) && errorBody_.find("stream_options") != std::string::npos;
}

void UpstreamRequest::giveUpTry(const UpstreamFailure& failure) {
  curl_off_t asked = 0;  // seconds; a date has been made into such
  if (failure.isPassing) curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &asked);
  const double retryAfter = static_cast<double>(std::max<curl_off_t>(asked, 0));
  curl_->cancel(easy_);

  const bool anyToken = reader_ && reader_->pieces() != 0;
  if (!failure.isPassing || anyToken || retriesDone_ >= options_.retries || retryAfter > options_.maxRetryAfter) {
    fail(failure, retryAfter);
    return;
  }
  // Those who failed together do not come back together.
  const double step = std::min(options_.retryFirst * std::exp2(std::min(retriesDone_, 30)), options_.maxRetryAfter);
  const double seconds =
      retryAfter > 0 ? retryAfter + random(std::min(0.1 * retryAfter, 1.0)) : step / 2 + random(step / 2);
  ++retriesDone_;
  if (metrics_ != nullptr) ++metrics_->upstreamRetries;
  state_ = State::kWaiting;
  setDeadline(seconds);
  if (callbacks_.onRetry) callbacks_.onRetry(seconds, logged(failure));
}

// ---- ends ----

void UpstreamRequest::complete() {
  state_ = State::kEnded;
  // What the upstream still has to say is not much; reading it keeps the connection good for the next request.
  lingering_ = true;
  paused_ = false;
  curl_->keepUntilFinished(easy_, shared_from_this());
  if (std::exchange(heldByCurl_, false)) curl_->resume(easy_);
  setDeadline(kLinger);

  UpstreamResult result;
  result.finishReason = reader_->finishReason().empty() ? "stop" : withoutKey(reader_->finishReason());
  end(std::move(result));
}

void UpstreamRequest::fail(const UpstreamFailure& failure, double retryAfter) {
  curl_->cancel(easy_);
  UpstreamResult result;
  result.errorCode = failure.code;
  result.message = failure.message;
  if (!failure.words.empty()) result.message += ": " + shorten(withoutKey(failure.words), kMaxMessage);
  if (retryAfter > 0) result.message += " (it wants to be asked again in " + inSeconds(retryAfter) + ")";
  result.message = withoutKey(std::move(result.message));
  result.detail = logged(failure);
  result.retryable = failure.isRetryable;
  if (metrics_ != nullptr) metrics_->upstreamErrors.add(result.errorCode);
  end(std::move(result));
}

void UpstreamRequest::end(UpstreamResult result) {
  state_ = State::kEnded;
  if (reader_) result.usage = reader_->usage();
  if (result.usage && metrics_ != nullptr) {
    metrics_->promptTokens += result.usage->promptTokens;
    metrics_->completionTokens += result.usage->completionTokens;
  }
  // A connection that lingers keeps nothing else alive.
  const Callbacks callbacks = std::exchange(callbacks_, Callbacks());
  callbacks.onEnd(result);
}

std::string UpstreamRequest::logged(const UpstreamFailure& failure) const {
  return withoutKey(options_.url + ": " + (failure.detail.empty() ? failure.message : failure.detail));
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
