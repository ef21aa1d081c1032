#include "ai_chat/chat_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

namespace ai_chat {
namespace {

bool hasLine(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(ChatMetrics, RendersCountersAndGauges) {
  ChatMetrics metrics;
  metrics.questions = 3;
  metrics.answersUnderWay = 2;
  metrics.storeDegraded = true;
  metrics.answers.add("stop");
  metrics.answers.add("stop", 2);
  metrics.answers.add("a\"b\\c\nd");
  const std::string text = metrics.render();
  EXPECT_TRUE(hasLine(text, "# HELP ai_chat_questions_total Questions that were accepted."));
  EXPECT_TRUE(hasLine(text, "# TYPE ai_chat_questions_total counter"));
  EXPECT_TRUE(hasLine(text, "ai_chat_questions_total 3"));
  EXPECT_TRUE(hasLine(text, "ai_chat_answers_under_way 2"));
  EXPECT_TRUE(hasLine(text, "ai_chat_store_degraded 1"));
  EXPECT_TRUE(hasLine(text, "ai_chat_answers_total{outcome=\"stop\"} 3"));
  EXPECT_TRUE(hasLine(text, "ai_chat_answers_total{outcome=\"a\\\"b\\\\c\\nd\"} 1"));
}

TEST(ChatMetrics, AHistogramIsCumulative) {
  ChatMetrics::Histogram histogram;
  histogram.observe(0.005);  // a bound belongs to its bucket
  histogram.observe(0.3);
  histogram.observe(1000);
  histogram.observe(-1);  // a clock that was set
  histogram.observe(std::nan(""));
  std::string text;
  histogram.render("x_seconds", "Help.", &text);
  EXPECT_TRUE(hasLine(text, "# TYPE x_seconds histogram"));
  EXPECT_TRUE(hasLine(text, "x_seconds_bucket{le=\"0.005\"} 2"));
  EXPECT_TRUE(hasLine(text, "x_seconds_bucket{le=\"0.25\"} 2"));
  EXPECT_TRUE(hasLine(text, "x_seconds_bucket{le=\"0.5\"} 3"));
  EXPECT_TRUE(hasLine(text, "x_seconds_bucket{le=\"120\"} 3"));
  EXPECT_TRUE(hasLine(text, "x_seconds_bucket{le=\"+Inf\"} 4"));
  EXPECT_TRUE(hasLine(text, "x_seconds_sum 1000.305"));
  EXPECT_TRUE(hasLine(text, "x_seconds_count 4"));
}

TEST(ChatMetrics, WhatAModelSaysCannotFillMemory) {
  ChatMetrics::Labelled labelled;
  for (int i = 0; i < 1000; ++i) labelled.add("reason " + std::to_string(i));
  labelled.add(std::string(10000, 'x'));
  labelled.add("\xff");
  labelled.add("reason 0");
  std::string text;
  labelled.render("x_total", "reason", "Help.", &text);
  EXPECT_LT(text.size(), 2000u);
  EXPECT_TRUE(hasLine(text, "x_total{reason=\"reason 0\"} 2"));
  EXPECT_TRUE(hasLine(text, "x_total{reason=\"other\"} 970"));  // 1002 without the 32 that have a name
}

TEST(ChatMetrics, CountsFromManyThreads) {
  ChatMetrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics] {
      for (int n = 0; n < 1000; ++n) {
        metrics.answerTime.observe(0.5);
        metrics.answers.add("stop");
        metrics.tokens += 2;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = metrics.render();
  EXPECT_TRUE(hasLine(text, "ai_chat_answer_duration_seconds_count 4000"));
  EXPECT_TRUE(hasLine(text, "ai_chat_answer_duration_seconds_sum 2000"));
  EXPECT_TRUE(hasLine(text, "ai_chat_answers_total{outcome=\"stop\"} 4000"));
  EXPECT_TRUE(hasLine(text, "ai_chat_tokens_total 8000"));
}

}  // namespace
}  // namespace ai_chat
