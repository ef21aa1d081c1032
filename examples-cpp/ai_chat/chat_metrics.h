// What the chat counts, for /metrics. Written from every loop.
#ifndef AI_CHAT_CHAT_METRICS_H
#define AI_CHAT_CHAT_METRICS_H

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace ai_chat {

class ChatMetrics {
 public:
  // A distribution of seconds, in the buckets of a Prometheus histogram.
  class Histogram {
   public:
    static constexpr std::array<double, 14> kBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                       1,     2.5,  5,     10,   30,  60,   120};
    void observe(double seconds);
    void render(std::string_view name, std::string_view help, std::string* out) const;

   private:
    std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
    std::atomic<double> sum_{0};
  };

  // Counters by one label, whose values are few.
  class Labelled {
   public:
    void add(const std::string& value, std::uint64_t n = 1);
    void render(std::string_view name, std::string_view label, std::string_view help, std::string* out) const;

   private:
    mutable std::mutex mutex_;
    std::map<std::string, std::uint64_t> counts_;
  };

  std::atomic<std::uint64_t> questions{0};
  Labelled answers;                           // by outcome: "stop", "length", "cancelled", "error", ...
  std::atomic<std::int64_t> answersUnderWay{0};
  std::atomic<std::int64_t> answersQueued{0};
  std::atomic<std::int64_t> answersKept{0};   // in memory, under way and over
  std::atomic<std::uint64_t> resumes{0};
  std::atomic<std::uint64_t> pauses{0};       // of a model, for readers that were behind
  std::atomic<std::uint64_t> tokens{0};       // pieces of text that models sent
  std::atomic<std::uint64_t> promptTokens{0};      // as models told in `usage`
  std::atomic<std::uint64_t> completionTokens{0};
  Histogram queueTime;                        // from the question to the model
  Histogram timeToFirstToken;                 // from the model's request to its first token
  Histogram answerTime;                       // from the question to the end
  Labelled upstreamErrors;                    // by code
  std::atomic<std::uint64_t> upstreamRetries{0};
  std::atomic<std::uint64_t> messages{0};     // of people, stored
  std::atomic<std::int64_t> usersOnline{0};   // on this node
  std::atomic<bool> storeDegraded{false};
  std::atomic<std::uint64_t> storeErrors{0};
  std::atomic<std::uint64_t> storeReconnects{0};
  std::atomic<std::uint64_t> storePending{0};  // writes that wait for the store

  // In the text format of Prometheus, names with the prefix "ai_chat_".
  std::string render() const;
};

}  // namespace ai_chat

#endif  // AI_CHAT_CHAT_METRICS_H
