// One answer being made: from the question in the queue, through the model's transfer and the engine's token stream, into
// the log that connections read. It needs no connection: who asked may be gone. Lives in one loop.
#ifndef AI_CHAT_RUN_H
#define AI_CHAT_RUN_H

#include <muduo/base/Timestamp.h>
#include <muduo/base/noncopyable.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "answer_log.h"
#include "chat_metrics.h"
#include "chat_options.h"
#include "curl_loop.h"
#include "muduo_ws/WebSocketServer.h"
#include "store.h"
#include "upstream.h"

namespace ai_chat {

struct Question {
  AnswerId id;
  std::string text;
  std::string from;         // the user, empty without login; in a room the model is told
  std::string payer;        // whose limit it counts against
  std::string regenerate;   // requestId of the last exchange, instead of which this one is
};

// What readers of a log get that Store::follow() could not fill.
void refuseUnknown(AnswerLog* log, Store::Found found);

class Run : public std::enable_shared_from_this<Run>, muduo::noncopyable {
 public:
  // What all runs of a loop share; outlives them.
  struct Context {
    muduo::net::EventLoop* loop;
    CurlLoop* curl;
    wsmuduo::WebSocketServer* server;
    Store* store;
    const ChatOptions* options;
    ChatMetrics* metrics;
  };
  using OverCallback = std::function<void(const std::shared_ptr<Run>&)>;

  // In the loop's thread, as all that follows. `onOver` is called once, when the log is done or is filled by another node.
  static std::shared_ptr<Run> make(const Context& context, Question question, OverCallback onOver);

  void claim();  // first of all
  void begin();
  // Fine at any time.
  void stop();
  void fail(std::string_view code, const std::string& message, bool retryable);
  // The loop ends: nothing follows, not even onOver.
  void abandon();

  // Any thread.
  muduo::net::EventLoop* loop() const { return context_.loop; }
  const std::shared_ptr<AnswerLog>& log() const { return log_; }
  const Question& question() const { return question_; }

 private:
  enum class State { kQueued, kPreparing, kAsking, kEnding, kOver };

  Run(const Context& context, Question question, OverCallback onOver);
  void follow();
  void ask(const std::vector<Exchange>& history);
  void onEnd(const UpstreamResult& result);
  void onMessage(const wsmuduo::TokenStream::Message& message);
  void onLastMessage(std::uint64_t seq, const AnswerLog::Message& text);
  void postAnswer();
  void onCaughtUp();
  std::string asked() const;
  void status(std::string json);
  void cancelUpstream();
  bool isEnding() const { return state_ == State::kEnding || state_ == State::kOver; }
  void over();

  const Context context_;
  const Question question_;
  const OverCallback onOver_;
  const std::shared_ptr<AnswerLog> log_;
  const std::string answerId_;  // see answer_id.h
  const muduo::Timestamp askedAt_;
  wsmuduo::TokenStreamPtr stream_;
  std::shared_ptr<UpstreamRequest> request_;
  State state_ = State::kQueued;
  bool paused_ = false;
  std::string finishReason_;
  std::string answer_;  // as much of it as a conversation keeps
};

}  // namespace ai_chat

#endif  // AI_CHAT_RUN_H
