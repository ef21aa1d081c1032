// UpstreamRequest against a model's server on this machine. What a browser sees of it: tests/python/test_ai_chat*.py.
#include "ai_chat/upstream.h"

#include <gtest/gtest.h>

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <chrono>
#include <ctime>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ai_chat/chat_metrics.h"
#include "scripted_server.h"

namespace ai_chat {
namespace {

using Peer = ScriptedServer::Peer;
using Script = ScriptedServer::Script;
using Events = std::vector<std::string>;

const std::string kHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const std::string kDone = "data: [DONE]\n\n";

std::string delta(std::string_view content) {
  return "data: {\"choices\":[{\"delta\":{\"content\":\"" + std::string(content) + "\"}}]}\n\n";
}

Script sends(const std::string& bytes) {
  return [bytes](Peer* peer) { peer->send(bytes); };
}

Script sendsStatus(const std::string& status, const std::string& header = "", const std::string& body = "") {
  return sends("HTTP/1.1 " + status + "\r\n" + (header.empty() ? "" : header + "\r\n") +
               "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
}

const Script kAnswers = sends(kHead + delta("hi") + kDone);
const Script kHolds = [](Peer* peer) { peer->awaitClose(); };

// What one request does, in order: "thinking", "retry", "tokens:…", "end".
class UpstreamTest : public testing::Test {
 protected:
  UpstreamTest() : curl_(std::make_unique<CurlLoop>(&loop_)) {
    muduo::Logger::setLogLevel(muduo::Logger::WARN);
    options_.retryFirst = 0.02;
    options_.firstTokenTimeout = options_.idleTimeout = 10;
  }
  ~UpstreamTest() override {
    request_.reset();
    curl_.reset();
  }

  void listen(std::vector<Script> scripts) {
    server_ = std::make_unique<ScriptedServer>(std::move(scripts));
    options_.url = server_->url();
  }

  // Starts one, from within the loop as others do.
  void start() {
    loop_.runAfter(0, [this] { startInLoop(); });
  }

  void startInLoop() {
    UpstreamRequest::Callbacks callbacks;
    callbacks.onTokens = [this](std::string_view bytes) { happens("tokens:" + std::string(bytes)); };
    callbacks.onThinking = [this] { happens("thinking"); };
    callbacks.onRetry = [this](double seconds, const std::string& detail) {
      EXPECT_EQ(detail.find(options_.url + ": "), 0u) << detail;
      waits_.push_back(seconds);
      happens("retry");
    };
    callbacks.onEnd = [this](const UpstreamResult& result) {
      result_ = result;
      happens("end");
      loop_.quit();
    };
    const std::vector<Turn> turns = {{Turn::Role::kUser, "Hello"}};
    request_ = UpstreamRequest::start(curl_.get(), options_, turns, std::move(callbacks), &metrics_);
  }

  void happens(const std::string& event) {
    events_.push_back(event);
    if (onEvent_) onEvent_(event);
  }

  // Until its end, or for `seconds`.
  void run(double seconds = 20) {
    const muduo::net::TimerId timer = loop_.runAfter(seconds, [this] { loop_.quit(); });
    loop_.loop();
    loop_.cancel(timer);
  }

  const UpstreamResult& ask(std::vector<Script> scripts) {
    listen(std::move(scripts));
    events_.clear();
    waits_.clear();
    result_ = UpstreamResult();
    start();
    run();
    EXPECT_FALSE(events_.empty() || events_.back() != "end") << "no end";
    return result_;
  }

  muduo::net::EventLoop loop_;
  std::unique_ptr<CurlLoop> curl_;
  std::unique_ptr<ScriptedServer> server_;
  UpstreamOptions options_;
  ChatMetrics metrics_;
  std::shared_ptr<UpstreamRequest> request_;
  std::function<void(const std::string&)> onEvent_;
  Events events_;
  std::vector<double> waits_;
  UpstreamResult result_;
};

// ---- an answer ----

TEST_F(UpstreamTest, AnAnswer) {
  const UpstreamResult& result =
      ask({sends(kHead + delta("\xE4\xBD") + delta("\xA0\\ud83d") + delta("") +
                 "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n"
                 "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}"
                 "\n\n" +
                 kDone)});
  EXPECT_EQ(events_, (Events{"thinking", "tokens:\xE4\xBD\xA0\xED\xA0\xBD", "end"}));  // bytes, as they came
  EXPECT_EQ(result.errorCode, "");
  EXPECT_EQ(result.finishReason, "length");
  ASSERT_TRUE(result.usage);
  EXPECT_EQ(result.usage->promptTokens, 9u);
  EXPECT_EQ(result.usage->completionTokens, 3u);
  EXPECT_EQ(result.usage->totalTokens, 12u);
  EXPECT_EQ(metrics_.tokens, 2u);
  EXPECT_EQ(metrics_.promptTokens, 9u);
  EXPECT_EQ(metrics_.completionTokens, 3u);
  EXPECT_EQ(metrics_.upstreamRetries, 0u);
  EXPECT_EQ(server_->requests().size(), 1u);
}

TEST_F(UpstreamTest, WithoutAFinishReasonItIsStop) {
  EXPECT_EQ(ask({kAnswers}).finishReason, "stop");
  EXPECT_FALSE(result_.usage);
}

TEST_F(UpstreamTest, AWholeCompletionIsOnePiece) {
  const std::string body =
      R"({"choices":[{"message":{"content":"all of it"},"finish_reason":"stop"}],
          "usage":{"prompt_tokens":1,"completion_tokens":3}})";
  const UpstreamResult& result =
      ask({sends("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                 "\r\n\r\n" + body)});
  EXPECT_EQ(events_, (Events{"thinking", "tokens:all of it", "end"}));
  ASSERT_TRUE(result.usage);
  EXPECT_EQ(result.usage->totalTokens, 4u);
}

TEST_F(UpstreamTest, ThinkingBeginsWithTheHead) {
  std::promise<void> thinking;
  onEvent_ = [&](const std::string& event) {
    if (event == "thinking") thinking.set_value();
  };
  options_.firstTokenTimeout = 2;
  ask({[&](Peer* peer) {
    peer->send(kHead);
    thinking.get_future().wait_for(std::chrono::seconds(5));  // in vain, would it take more than the head
    peer->send(delta("hi") + kDone);
  }});
  EXPECT_EQ(events_, (Events{"thinking", "tokens:hi", "end"}));
}

TEST_F(UpstreamTest, CallbacksThatAreNotGivenAreNotCalled) {
  listen({sendsStatus("503 Busy"), kAnswers});
  UpstreamRequest::Callbacks callbacks;
  callbacks.onTokens = [](std::string_view) {};
  callbacks.onEnd = [this](const UpstreamResult& result) {
    result_ = result;
    loop_.quit();
  };
  loop_.runAfter(0, [&] {
    request_ = UpstreamRequest::start(curl_.get(), options_, {{Turn::Role::kUser, "Hello"}}, callbacks, nullptr);
  });
  run();
  EXPECT_EQ(result_.finishReason, "stop");
}

// ---- retries ----

TEST_F(UpstreamTest, RetriesWaitLongerEachTime) {
  options_.retries = 3;
  ask({sendsStatus("503 Busy"), sendsStatus("429 Slow"), sendsStatus("408 Late"), kAnswers});
  EXPECT_EQ(events_, (Events{"retry", "retry", "retry", "thinking", "tokens:hi", "end"}));
  ASSERT_EQ(waits_.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const double most = 0.02 * static_cast<double>(1 << i);
    EXPECT_GE(waits_[i], most / 2);
    EXPECT_LE(waits_[i], most);
  }
  EXPECT_EQ(metrics_.upstreamRetries, 3u);
  const std::vector<std::string> requests = server_->requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests.front(), requests.back());
}

TEST_F(UpstreamTest, RetriesComeToAnEnd) {
  const UpstreamResult& result = ask({sendsStatus("503 Busy", "", R"({"error":"full"})")});
  EXPECT_EQ(events_, (Events{"retry", "retry", "end"}));
  EXPECT_EQ(result.errorCode, "upstream_status");
  EXPECT_EQ(result.message, "the model's server answered with HTTP 503: full");
  EXPECT_TRUE(result.retryable);
  EXPECT_EQ(result.detail, options_.url + ": the model's server answered with HTTP 503");
  EXPECT_EQ(server_->requests().size(), 3u);
}

TEST_F(UpstreamTest, ConnectionsThatFailBeforeTheFirstTokenAreTriedAgain) {
  const Script reset = [](Peer* peer) { peer->reset(); };
  const Script cut = sends("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n: thinking\n\n");
  const Script ended = sends(kHead + "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n");
  options_.retries = 4;
  ask({sends(""), reset, cut, ended, kAnswers});
  EXPECT_EQ(events_, (Events{"retry", "retry", "thinking", "retry", "thinking", "retry", "thinking", "tokens:hi",
                             "end"}));
}

TEST_F(UpstreamTest, NothingIsAskedAgainBehindTheFirstToken) {
  for (const std::string& then : {std::string(), std::string("data: {\"error\":{\"code\":503}}\n\n")}) {
    const UpstreamResult& result = ask({sends(kHead + delta("Half") + then)});
    EXPECT_EQ(events_, (Events{"thinking", "tokens:Half", "end"}));
    EXPECT_EQ(result.errorCode, then.empty() ? "upstream_protocol" : "upstream_status");
    EXPECT_TRUE(result.retryable);
  }
}

TEST_F(UpstreamTest, AnErrorInTheStreamCountsAsItsStatus) {
  ask({sends(kHead + "data: {\"error\":{\"message\":\"busy\",\"code\":429}}\n\n"), kAnswers});
  EXPECT_EQ(events_, (Events{"thinking", "retry", "thinking", "tokens:hi", "end"}));
  const UpstreamResult& result = ask({sends(kHead + "data: {\"error\":{\"message\":\"too long\",\"code\":400}}\n\n")});
  EXPECT_EQ(events_, (Events{"thinking", "end"}));
  EXPECT_EQ(result.errorCode, "upstream_status");
  EXPECT_EQ(result.message, "the model's server reported an error (400): too long");
  EXPECT_FALSE(result.retryable);
}

TEST_F(UpstreamTest, WhatWouldFailAgainIsNotAskedAgain) {
  for (const char* status :
       {"400 Bad", "401 Who", "403 No", "404 What", "409 Not now", "413 Big", "422 Odd", "301 There"}) {
    const UpstreamResult& result = ask({sendsStatus(status, "Retry-After: 1")});
    EXPECT_EQ(events_, Events{"end"}) << status;
    EXPECT_EQ(result.errorCode, "upstream_status");
    EXPECT_FALSE(result.retryable) << status;
  }
  for (const std::string& body : {std::string("data: nonsense\n\n"), std::string("data: {\"error\":\"x\"}\n\n")}) {
    const UpstreamResult& result = ask({sends(kHead + body)});
    EXPECT_EQ(events_, (Events{"thinking", "end"})) << body;
    EXPECT_EQ(result.errorCode, "upstream_protocol");
    EXPECT_TRUE(result.retryable);
  }
}

TEST_F(UpstreamTest, SilenceIsNotAskedAgain) {
  options_.firstTokenTimeout = 0.1;
  const UpstreamResult& result = ask({kHolds});
  EXPECT_EQ(events_, Events{"end"});
  EXPECT_EQ(result.errorCode, "upstream_timeout");
  EXPECT_TRUE(result.retryable);
}

TEST_F(UpstreamTest, AnErrorWhoseBodyHangsIsKnownByItsHead) {
  options_.firstTokenTimeout = 0.2;
  ask({[](Peer* peer) {
         peer->send("HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\n{\"err");
         peer->awaitClose();
       },
       kAnswers});
  EXPECT_EQ(events_, (Events{"retry", "thinking", "tokens:hi", "end"}));
}

// ---- Retry-After ----

std::string httpDate(int secondsFromNow) {
  const std::time_t when = std::time(nullptr) + secondsFromNow;
  std::tm parts{};
  gmtime_r(&when, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

TEST_F(UpstreamTest, RetryAfterIsKept) {
  onEvent_ = [this](const std::string&) { request_->cancel(), loop_.quit(); };  // no need to wait for it
  struct Case {
    std::string value;
    double least, most;
  };
  for (const Case& c :
       {Case{"3", 3, 3.31}, Case{"30", 30, 31.01}, Case{httpDate(20), 17, 22}, Case{"0", 0, 0.03}, Case{"-5", 0, 0.03},
        Case{"soon", 0, 0.03}, Case{httpDate(-100), 0, 0.03}}) {
    listen({sendsStatus("429 Slow", "Retry-After: " + c.value)});
    events_.clear();
    waits_.clear();
    start();
    run();
    EXPECT_EQ(events_, Events{"retry"}) << c.value;
    ASSERT_EQ(waits_.size(), 1u);
    EXPECT_GE(waits_[0], c.least) << c.value;
    EXPECT_LE(waits_[0], c.most) << c.value;
  }
}

TEST_F(UpstreamTest, RetryAfterIsOfOneTryOnly) {
  ask({sendsStatus("429 Slow", "Retry-After: 1"), sendsStatus("503 Busy"), kAnswers});
  ASSERT_EQ(waits_.size(), 2u);
  EXPECT_GE(waits_[0], 1);
  EXPECT_LE(waits_[1], 0.04);
}

TEST_F(UpstreamTest, WhoAsksForTooLongIsNotAskedAgain) {
  for (const std::string& value : {std::string("31"), std::string("100000000000"), httpDate(3600)}) {
    const UpstreamResult& result = ask({sendsStatus("429 Slow", "Retry-After: " + value, R"({"error":"quota"})")});
    EXPECT_EQ(events_, Events{"end"}) << value;
    EXPECT_EQ(result.errorCode, "upstream_status");
    EXPECT_TRUE(result.retryable);
    const std::string begin = "the model's server answered with HTTP 429: quota (it wants to be asked again in ";
    EXPECT_EQ(result.message.substr(0, begin.size()), begin);
  }
  EXPECT_EQ(ask({sendsStatus("429 Slow", "Retry-After: 120")}).message,
            "the model's server answered with HTTP 429 (it wants to be asked again in 120 s)");
}

// ---- stream_options ----

TEST_F(UpstreamTest, AnErrorThatOnlyRepeatsTheRequestDecidesNothing) {
  const Script refuses = sendsStatus("400 Bad", "", R"({"error":"too long: {\"stream_options\":{}}"})");
  const UpstreamResult& result = ask({refuses, refuses});
  EXPECT_EQ(events_, Events{"end"});
  EXPECT_EQ(result.errorCode, "upstream_status");
  ASSERT_EQ(server_->requests().size(), 2u);
  EXPECT_NE(server_->requests()[0].find("stream_options"), std::string::npos);
  EXPECT_EQ(server_->requests()[1].find("stream_options"), std::string::npos);
  ask({kAnswers});
  ASSERT_EQ(server_->requests().size(), 1u);
  EXPECT_NE(server_->requests()[0].find("stream_options"), std::string::npos);
}

// ---- cancel, pause ----

TEST_F(UpstreamTest, CancelInAnyCallback) {
  for (const char* when : {"thinking", "tokens:hi", "retry"}) {
    std::promise<void> gone;
    const bool retries = when == std::string_view("retry");
    listen({retries ? sendsStatus("503 Busy") : Script([&](Peer* peer) {
      peer->send(kHead + delta("hi"));
      peer->awaitClose();
      gone.set_value();
    })});
    events_.clear();
    onEvent_ = [&](const std::string& event) {
      if (event != when) return;
      request_->cancel();
      request_.reset();
      loop_.runAfter(0.1, [this] { loop_.quit(); });
    };
    start();
    run();
    ASSERT_FALSE(events_.empty());
    EXPECT_EQ(events_.back(), when);
    if (!retries) {
      EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
    }
    EXPECT_EQ(server_->requests().size(), 1u);
  }
}

TEST_F(UpstreamTest, CancelDuringTheWaitIsTheEnd) {
  options_.retryFirst = 0.2;
  listen({sendsStatus("503 Busy"), kAnswers});
  onEvent_ = [this](const std::string&) { loop_.runAfter(0.01, [this] { request_->cancel(); }); };
  start();
  run(0.5);
  EXPECT_EQ(events_, Events{"retry"});
  EXPECT_EQ(server_->requests().size(), 1u);
}

TEST_F(UpstreamTest, AnAnswerThatIsPausedIsNotLate) {
  options_.idleTimeout = 0.1;
  std::promise<void> resumed;
  onEvent_ = [&](const std::string& event) {
    if (event != "tokens:a") return;
    request_->pause();
    request_->pause();
    loop_.runAfter(0.4, [&] {
      request_->resume();
      resumed.set_value();
    });
  };
  ask({[&](Peer* peer) {
    peer->send(kHead + delta("a"));
    resumed.get_future().wait_for(std::chrono::seconds(5));
    peer->send(delta("b") + kDone);
  }});
  EXPECT_EQ(events_, (Events{"thinking", "tokens:a", "tokens:b", "end"}));
  EXPECT_EQ(result_.errorCode, "");
  EXPECT_EQ(metrics_.pauses, 1u);
}

TEST_F(UpstreamTest, NothingIsReadWhilePaused) {
  const std::string piece = delta(std::string(100000, 'x'));
  std::size_t delivered = 0;
  onEvent_ = [&](const std::string& event) {
    if (event.compare(0, 7, "tokens:") != 0) return;
    if (delivered == 0) {
      request_->pause();
      loop_.runAfter(0.1, [&] {
        EXPECT_LT(delivered, 600000u);  // what was under way
        request_->resume();
      });
    }
    delivered += event.size() - 7;
  };
  ask({[&](Peer* peer) {
    peer->send(kHead);
    for (int i = 0; i < 40; ++i) peer->send(piece);
    peer->send(kDone);
  }});
  EXPECT_EQ(delivered, 4000000u);
  EXPECT_EQ(result_.errorCode, "");
}

// ---- secrets ----

TEST_F(UpstreamTest, TheKeyIsInNoResult) {
  options_.apiKey = "sk-secret-1234";
  const auto hidden = [this] {
    return (result_.message + result_.detail + result_.finishReason).find("secret") == std::string::npos;
  };
  ask({sendsStatus("401 Who", "", R"({"error":{"message":"no such key: sk-secret-1234, sk-secret-1234"}})")});
  EXPECT_TRUE(hidden());
  EXPECT_NE(result_.message.find("no such key: [API key], [API key]"), std::string::npos);
  ask({sends(kHead + "data: {\"error\":\"sk-secret-1234\"}\n\n")});
  EXPECT_TRUE(hidden());
  ask({sends("HTTP/1.1 200 OK\r\nContent-Type: x/sk-secret-1234\r\n\r\n<")});
  EXPECT_EQ(result_.errorCode, "upstream_protocol");
  EXPECT_TRUE(hidden());
  ask({sends(kHead + "data: {\"choices\":[{\"finish_reason\":\"sk-secret-1234\"}]}\n\n")});
  EXPECT_EQ(result_.finishReason, "[API key]");
}

}  // namespace
}  // namespace ai_chat
