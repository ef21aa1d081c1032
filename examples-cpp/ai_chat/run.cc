#include "run.h"

#include <muduo/net/EventLoop.h>

#include <utility>

#include "answer_id.h"
#include "log.h"
#include "room_posts.h"
#include "utf8.h"
#include "wire.h"

namespace ai_chat {

namespace {

// How far the model may be ahead of the fastest reader.
constexpr std::size_t kHighWater = 256 * 1024;
constexpr std::size_t kLowWater = 64 * 1024;
constexpr std::size_t kWriteBytes = 256 * 1024;

const char kCancelled[] = "cancelled";
const char kError[] = "error";

}  // namespace

void refuseUnknown(AnswerLog* log, Store::Found found) {
  const std::string& requestId = log->id().requestId;
  const bool away = found == Store::Found::kUnavailable;
  log->refuse(std::make_shared<const std::string>(encodeError(
                  {away ? "unavailable" : "unknown_request",
                   away ? "the shared store cannot be reached: try again in a moment" : "this answer is not kept, or not any more",
                   away, requestId})),
              std::make_shared<const std::string>(encodeRefused(requestId)));
}

std::shared_ptr<Run> Run::make(const Context& context, Question question, OverCallback onOver) {
  const std::shared_ptr<Run> run(new Run(context, std::move(question), std::move(onOver)));
  const std::weak_ptr<Run> weak = run;
  run->stream_ = context.server->newTokenStream(context.loop, run->question_.id.requestId,
                                                [weak](const wsmuduo::TokenStream::Message& message) {
                                                  if (const auto self = weak.lock()) self->onMessage(message);
                                                });
  run->log_->setCaughtUp(kLowWater, [weak, loop = context.loop] {
    loop->queueInLoop([weak] {
      if (const auto self = weak.lock()) self->onCaughtUp();
    });
  });
  return run;
}

Run::Run(const Context& context, Question question, OverCallback onOver)
    : context_(context),
      question_(std::move(question)),
      onOver_(std::move(onOver)),
      log_(std::make_shared<AnswerLog>(question_.id)),
      answerId_(newAnswerId()),
      askedAt_(muduo::Timestamp::now()) {}

// ---- before the model is asked ----

// Also of what waits for its turn: so any node may read and stop it.
void Run::claim() {
  if (state_ != State::kQueued) return;
  // Keeps it until then: it may have been stopped meanwhile.
  context_.store->claim(log_, context_.loop, [self = shared_from_this()](Store::Claim claim) {
    if (claim != Store::Claim::kTheirs) return;
    if (self->state_ == State::kQueued || self->state_ == State::kPreparing) {
      self->follow();
    } else if (self->finishReason_ == kCancelled) {
      self->context_.store->stopAnswer(self->question_.id);  // the stop was meant for that one
    }
  });
  // Behind the claim, in the same order: there is one way to the store.
  if (question_.id.scope.kind == Scope::Kind::kRoom) context_.store->announce(question_.id.scope.name, log_);
}

void Run::begin() {
  if (state_ != State::kQueued) return;
  state_ = State::kPreparing;
  context_.metrics->queueTime.observe(muduo::timeDifference(muduo::Timestamp::now(), askedAt_));
  const std::weak_ptr<Run> weak = weak_from_this();
  // Behind the claim, too: it is answered first.
  context_.store->history(question_.id.scope, context_.loop, [weak](const std::vector<Exchange>& history) {
    const auto self = weak.lock();
    if (self && self->state_ == State::kPreparing) self->ask(history);
  });
}

// Another node makes this answer, or did: the question was sent there before its connection was lost.
void Run::follow() {
  state_ = State::kOver;
  stream_.reset();
  context_.store->follow(log_, context_.loop, [log = std::weak_ptr<AnswerLog>(log_)](Store::Found found) {
    const auto followed = log.lock();
    if (followed && found != Store::Found::kFound) refuseUnknown(followed.get(), found);
  });
  onOver_(shared_from_this());
}

void Run::ask(const std::vector<Exchange>& history) {
  state_ = State::kAsking;
  std::size_t count = history.size();
  if (count > 0 && !question_.regenerate.empty() && history.back().requestId == question_.regenerate) --count;
  std::vector<Turn> turns;
  turns.reserve(2 * count + 1);
  for (std::size_t i = 0; i < count; ++i) {
    turns.push_back({Turn::Role::kUser, history[i].question});
    turns.push_back({Turn::Role::kAssistant, history[i].answer});
  }
  turns.push_back({Turn::Role::kUser, asked()});

  const std::weak_ptr<Run> weak = weak_from_this();
  UpstreamRequest::Callbacks callbacks;
  callbacks.onTokens = [weak](std::string_view bytes) {
    const auto self = weak.lock();
    // In parts: the stream takes no more at once than may wait for a connection, and a model may say all of it at once.
    for (std::size_t at = 0; self && self->stream_ && at < bytes.size(); at += kWriteBytes) {
      const std::string_view part = bytes.substr(at, kWriteBytes);
      self->stream_->write(muduo::StringPiece(part.data(), static_cast<int>(part.size())));
    }
  };
  callbacks.onThinking = [weak] {
    if (const auto self = weak.lock()) self->status(encodeStatus(self->question_.id.requestId, "thinking"));
  };
  callbacks.onRetry = [weak](double seconds, const std::string& detail) {
    const auto self = weak.lock();
    if (!self) return;
    Log(Log::kInfo, "upstream_retry")
        .add("requestId", self->question_.id.requestId)
        .add("detail", detail)
        .add("seconds", seconds);
    self->status(encodeRetrying(self->question_.id.requestId, seconds));
  };
  callbacks.onEnd = [weak](const UpstreamResult& result) {
    if (const auto self = weak.lock()) self->onEnd(result);
  };
  request_ = UpstreamRequest::start(context_.curl, context_.options->upstream, turns, std::move(callbacks), context_.metrics);
}

// The question as the model sees it.
std::string Run::asked() const {
  const bool inRoom = question_.id.scope.kind == Scope::Kind::kRoom;
  return inRoom ? question_.from + ": " + question_.text : question_.text;
}

void Run::status(std::string json) { log_->status(std::make_shared<const std::string>(std::move(json))); }

// ---- the model speaks ----

// A message of the token stream is due.
void Run::onMessage(const wsmuduo::TokenStream::Message& message) {
  const std::string_view json(message.json.data(), static_cast<std::size_t>(message.json.size()));
  const std::size_t most = context_.options->store.bytes;
  if (answer_.size() < most) answer_ += contentOf(json);
  if (answer_.size() > most) answer_ = shorten(answer_, most);
  const auto text =
      std::make_shared<const std::string>(message.seq == 1 ? withAnswerId(json, answerId_) : std::string(json));
  if (message.isDone) return onLastMessage(message.seq, text);
  log_->append(message.seq, text, /*done=*/false);
  if (request_ && !paused_ && log_->isAhead(kHighWater)) {
    paused_ = true;
    request_->pause();
  }
}

// Whoever has seen the end may ask on, on any node: the conversation has the answer before. Nothing said is nothing to
// remember.
void Run::onLastMessage(std::uint64_t seq, const AnswerLog::Message& text) {
  state_ = State::kEnding;
  const auto end = [self = shared_from_this(), seq, text] {
    if (self->state_ != State::kEnding) return;
    self->log_->append(seq, text, /*done=*/true);
    self->over();
  };
  if (answer_.empty()) return end();
  Exchange exchange{question_.id.requestId, asked(), answer_, finishReason_};
  exchange.isUnread = log_->readers() == 0;
  context_.store->addExchange(question_.id.scope, exchange, question_.regenerate, context_.loop, end);
  if (question_.id.scope.kind == Scope::Kind::kRoom) postAnswer();
}

void Run::postAnswer() {
  Post post;
  post.room = question_.id.scope.name;
  post.text = answer_;
  post.requestId = question_.id.requestId;
  post.finishReason = finishReason_;
  postInRoom(context_.store, context_.loop, RoomPost::kAnswer, post);
}

void Run::onCaughtUp() {
  if (!std::exchange(paused_, false) || !request_) return;
  request_->resume();
}

void Run::onEnd(const UpstreamResult& result) {
  request_.reset();
  if (!result.errorCode.empty()) {
    Log(Log::kWarning, "upstream_failed")
        .add("requestId", question_.id.requestId)
        .add("code", result.errorCode)
        .add("detail", result.detail);
    fail(result.errorCode, result.message, result.retryable);
    return;
  }
  finishReason_ = result.finishReason;
  wsmuduo::TokenStream::Usage usage{};
  if (result.usage) usage = {result.usage->promptTokens, result.usage->completionTokens, result.usage->totalTokens};
  const auto self = shared_from_this();
  if (!stream_->finish(finishReason_, result.usage ? &usage : nullptr)) {  // no UTF-8
    finishReason_ = "stop";
    stream_->finish(finishReason_);
  }
}

// ---- ends ----

void Run::stop() {
  if (isEnding()) return;
  const auto self = shared_from_this();
  cancelUpstream();
  finishReason_ = kCancelled;
  stream_->cancel();
}

void Run::fail(std::string_view code, const std::string& message, bool retryable) {
  if (isEnding()) return;
  const auto self = shared_from_this();
  cancelUpstream();
  finishReason_ = kError;
  stream_->fail(std::string(code), replaceBroken(message), retryable);
}

void Run::abandon() {
  if (state_ == State::kOver) return;
  state_ = State::kOver;
  cancelUpstream();
  stream_.reset();
}

void Run::cancelUpstream() {
  if (request_) request_->cancel();
  request_.reset();
}

void Run::over() {
  state_ = State::kOver;
  const double took = muduo::timeDifference(muduo::Timestamp::now(), askedAt_);
  context_.metrics->answers.add(finishReason_);
  context_.metrics->answerTime.observe(took);
  Log(Log::kInfo, "answer_over")
      .add("requestId", question_.id.requestId)
      .add("outcome", finishReason_)
      .add("messages", log_->last())
      .add("bytes", static_cast<std::uint64_t>(log_->bytes()))
      .add("seconds", took);
  onOver_(shared_from_this());
}

}  // namespace ai_chat
