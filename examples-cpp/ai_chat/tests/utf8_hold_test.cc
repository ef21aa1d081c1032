#include "ai_chat/utf8_hold.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ai_chat/utf8.h"

namespace ai_chat {
namespace {

std::string feedAll(const std::vector<std::string_view>& pieces) {
  Utf8Hold hold;
  std::string text;
  for (const std::string_view piece : pieces) {
    hold.feed(piece, &text);
    EXPECT_TRUE(isUtf8(text)) << "a cut character left";
  }
  hold.finish(&text);
  EXPECT_FALSE(hold.holding());
  return text;
}

std::vector<std::string_view> bytewise(std::string_view bytes) {
  std::vector<std::string_view> pieces;
  for (std::size_t i = 0; i < bytes.size(); ++i) pieces.push_back(bytes.substr(i, 1));
  return pieces;
}

// However `bytes` are cut in three or into single bytes, `expected` comes out.
void expectForEverySplit(std::string_view bytes, std::string_view expected) {
  for (std::size_t a = 0; a <= bytes.size(); ++a) {
    for (std::size_t b = a; b <= bytes.size(); ++b) {
      EXPECT_EQ(feedAll({bytes.substr(0, a), bytes.substr(a, b - a), bytes.substr(b)}), expected)
          << "cut at " << a << " and " << b;
    }
  }
  EXPECT_EQ(feedAll(bytewise(bytes)), expected);
}

TEST(Utf8Hold, WholeTextSurvivesEverySplit) {
  for (const std::string_view text :
       {"plain", "h\u00e9llo \u4f60\u597d, \U0001F600\U0001F468\u200D\U0001F469!",
        "\u0080\u07ff\u0800\uffff\U00010000\U0010ffff", "\ud7ff\ue000\ufffd"}) {
    expectForEverySplit(text, text);
  }
  const std::string_view zero("a\0b", 3);
  expectForEverySplit(zero, zero);
}

TEST(Utf8Hold, HoldsOnlyTheIncompleteTail) {
  Utf8Hold hold;
  std::string text;
  hold.feed("ab\xE4\xBD", &text);
  EXPECT_EQ(text, "ab");
  EXPECT_TRUE(hold.holding());
  hold.feed("\xA0\xE5", &text);
  EXPECT_EQ(text, "ab\u4f60");
  hold.feed("\xA5\xBD", &text);
  EXPECT_EQ(text, "ab\u4f60\u597d");
  EXPECT_FALSE(hold.holding());
}

TEST(Utf8Hold, BrokenBytesBecomeReplacementCharacters) {
  // As browsers replace: one U+FFFD for the longest beginning of a character, one for any other byte.
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {"\x80", "\uFFFD"},
      {"a\xFF" "b", "a\uFFFDb"},
      {"\xC0\x80", "\uFFFD\uFFFD"},
      {"\xE4\xBD" "b", "\uFFFDb"},
      {"\xE0\x80\x80", "\uFFFD\uFFFD\uFFFD"},
      {"\xF0\x9F\x98" "x", "\uFFFDx"},
      {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"\xF8\x88\x80\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"\xE4\xE4\xBD\xA0", "\uFFFD\u4f60"},
      {"\xF0\x9F\x98", "\uFFFD"},
      {"ok\xE4", "ok\uFFFD"},
      {"\xED\xA0" "x", "\uFFFD\uFFFDx"},
  };
  for (const auto& [bytes, expected] : cases) expectForEverySplit(bytes, expected);
}

TEST(Utf8Hold, HalvesOfAUtf16PairAreJoined) {
  expectForEverySplit("<\xED\xA0\xBD\xED\xB8\x80>", "<\U0001F600>");
  expectForEverySplit("\xED\xA0\xBDx", "\uFFFDx");
  expectForEverySplit("\xED\xB8\x80x", "\uFFFDx");
  expectForEverySplit("\xED\xA0\xBD\xED\xA0\xBD\xED\xB8\x80", "\uFFFD\U0001F600");
  expectForEverySplit("\xED\xA0\xBD", "\uFFFD");
  expectForEverySplit("\xED\xA0\xBD\xED\xB8", "\uFFFD\uFFFD");
}

TEST(Utf8, CutToWhole) {
  EXPECT_EQ(cutToWhole("a\u4f60b", 5), "a\u4f60b");
  EXPECT_EQ(cutToWhole("a\u4f60b", 4), "a\u4f60");
  EXPECT_EQ(cutToWhole("a\u4f60b", 3), "a");
  EXPECT_EQ(cutToWhole("a\u4f60b", 0), "");
  EXPECT_EQ(shorten("a\u4f60bcdefg", 8), "a\u4f60b\u2026");
  EXPECT_EQ(shorten("abc", 3), "abc");
}

}  // namespace
}  // namespace ai_chat
