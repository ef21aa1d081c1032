#include "chat_metrics.h"

#include <charconv>
#include <cmath>

#include "utf8.h"

namespace ai_chat {

namespace {

// A label's values come from outside too (a model's finish_reason): they must not fill memory here, nor in Prometheus.
constexpr std::size_t kMaxValues = 32;
constexpr std::size_t kMaxValueBytes = 64;
constexpr const char kOther[] = "other";

template <typename Number>
void appendNumber(Number value, std::string* out) {
  char text[64];
  const std::to_chars_result result = std::to_chars(text, text + sizeof text, value);
  out->append(text, result.ptr);
}

void appendHead(std::string_view name, std::string_view type, std::string_view help, std::string* out) {
  out->append("# HELP ").append(name).append(" ").append(help);
  out->append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

template <typename Number>
void appendOne(std::string_view name, std::string_view type, Number value, std::string_view help, std::string* out) {
  appendHead(name, type, help, out);
  out->append(name).append(" ");
  appendNumber(value, out);
  *out += '\n';
}

template <typename Number>
void counter(std::string_view name, const std::atomic<Number>& value, std::string_view help, std::string* out) {
  appendOne(name, "counter", value.load(std::memory_order_relaxed), help, out);
}

template <typename Number>
void gauge(std::string_view name, const std::atomic<Number>& value, std::string_view help, std::string* out) {
  appendOne(name, "gauge", value.load(std::memory_order_relaxed), help, out);
}

void appendLabelValue(std::string_view value, std::string* out) {
  for (const char c : value) {
    if (c == '\n') {
      *out += "\\n";
    } else {
      if (c == '"' || c == '\\') *out += '\\';
      *out += c;
    }
  }
}

}  // namespace

// ---- distributions ----

void ChatMetrics::Histogram::observe(double seconds) {
  if (std::isnan(seconds)) return;
  if (seconds < 0) seconds = 0;  // the clock was set
  std::size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + seconds, std::memory_order_relaxed)) {
  }
}

// The count is made of the buckets, so both agree whatever is observed meanwhile.
void ChatMetrics::Histogram::render(std::string_view name, std::string_view help, std::string* out) const {
  appendHead(name, "histogram", help, out);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    count += counts_[i].load(std::memory_order_relaxed);
    out->append(name).append("_bucket{le=\"");
    if (i < kBounds.size()) {
      appendNumber(kBounds[i], out);
    } else {
      *out += "+Inf";
    }
    *out += "\"} ";
    appendNumber(count, out);
    *out += '\n';
  }
  out->append(name).append("_sum ");
  appendNumber(sum_.load(std::memory_order_relaxed), out);
  out->append("\n").append(name).append("_count ");
  appendNumber(count, out);
  *out += '\n';
}

// ---- counters with a label ----

void ChatMetrics::Labelled::add(const std::string& value, std::uint64_t n) {
  const bool isOdd = value.size() > kMaxValueBytes || !isUtf8(value);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = isOdd ? counts_.end() : counts_.find(value);
  if (found != counts_.end()) {
    found->second += n;
  } else {
    counts_[isOdd || counts_.size() >= kMaxValues ? kOther : value] += n;
  }
}

void ChatMetrics::Labelled::render(std::string_view name, std::string_view label, std::string_view help,
                                   std::string* out) const {
  appendHead(name, "counter", help, out);
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [value, count] : counts_) {
    out->append(name).append("{").append(label).append("=\"");
    appendLabelValue(value, out);
    *out += "\"} ";
    appendNumber(count, out);
    *out += '\n';
  }
}

// ---- all of it ----

std::string ChatMetrics::render() const {
  std::string out;
  out.reserve(12 * 1024);
  counter("ai_chat_questions_total", questions, "Questions that were accepted.", &out);
  answers.render("ai_chat_answers_total", "outcome",
                 "Answers that are over, by finish_reason: the model's own word, cancelled or error.", &out);
  gauge("ai_chat_answers_under_way", answersUnderWay, "Answers that the model is making.", &out);
  gauge("ai_chat_answers_queued", answersQueued, "Questions that wait for their turn.", &out);
  gauge("ai_chat_answers_kept", answersKept, "Answers in memory, under way or kept for readers that come back.", &out);
  counter("ai_chat_resumes_total", resumes, "Readers that went on with an answer on another connection.", &out);
  counter("ai_chat_upstream_pauses_total", pauses, "Times a model was held up for readers that were behind.", &out);
  counter("ai_chat_tokens_total", tokens, "Pieces of text that models sent.", &out);
  counter("ai_chat_prompt_tokens_total", promptTokens, "Tokens of questions, as models told in usage.", &out);
  counter("ai_chat_completion_tokens_total", completionTokens, "Tokens of answers, as models told in usage.", &out);
  queueTime.render("ai_chat_queue_duration_seconds", "From the question to its turn with the model.", &out);
  timeToFirstToken.render("ai_chat_time_to_first_token_seconds", "From the request to the model to its first token.",
                          &out);
  answerTime.render("ai_chat_answer_duration_seconds", "From the question to the end of its answer.", &out);
  upstreamErrors.render("ai_chat_upstream_errors_total", "code",
                        "Answers that the model's server failed, by error code.", &out);
  counter("ai_chat_upstream_retries_total", upstreamRetries, "Requests to the model's server that were made again.",
          &out);
  counter("ai_chat_messages_total", messages, "Messages between people that were stored.", &out);
  gauge("ai_chat_users_online", usersOnline, "Users that are logged in on this node.", &out);
  appendOne("ai_chat_store_degraded", "gauge", storeDegraded.load() ? 1 : 0,
            "1 while the shared store cannot be reached.", &out);
  counter("ai_chat_store_errors_total", storeErrors, "Calls of the shared store that failed.", &out);
  counter("ai_chat_store_reconnects_total", storeReconnects, "Connections to the shared store after the first.", &out);
  gauge("ai_chat_store_pending_writes", storePending, "Writes that wait for the shared store.", &out);
  return out;
}

}  // namespace ai_chat
