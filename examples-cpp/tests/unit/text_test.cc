#include "muduo_ws/Text.h"

#include <gtest/gtest.h>

using wsmuduo::detail::closeReasonToSend;
using wsmuduo::detail::cookieInHeader;
using wsmuduo::detail::hasToken;
using wsmuduo::detail::headerInHead;
using wsmuduo::detail::isUtf8;
using wsmuduo::detail::mayBeSent;
using wsmuduo::detail::queryParameter;
using wsmuduo::detail::splitTarget;

namespace {

bool utf8(const std::string& text) { return isUtf8(text.data(), text.size()); }

/// By the definition: decodes, and refuses what has no shortest form, is a surrogate or too large.
bool utf8ByDefinition(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    const unsigned lead = static_cast<unsigned char>(s[i]);
    const size_t len = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (len == 0 || i + len > s.size()) return false;
    unsigned long value = len == 1 ? lead : lead & (0x7Fu >> len);
    for (size_t k = 1; k < len; ++k) {
      const unsigned next = static_cast<unsigned char>(s[i + k]);
      if (next >> 6 != 2) return false;
      value = value << 6 | (next & 0x3F);
    }
    static const unsigned long kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < kSmallest[len] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return false;
    i += len;
  }
  return true;
}

}  // namespace

TEST(Utf8, AgreesWithTheDefinitionOnEveryPairAndOnEveryLeadOfLongerForms) {
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      const std::string two = {static_cast<char>(a), static_cast<char>(b)};
      ASSERT_EQ(utf8(two), utf8ByDefinition(two)) << a << ' ' << b;
      const unsigned char tails[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
      for (unsigned char c : tails) {
        const std::string three = two + static_cast<char>(c);
        ASSERT_EQ(utf8(three), utf8ByDefinition(three)) << a << ' ' << b << ' ' << static_cast<unsigned>(c);
        for (unsigned char d : tails) {
          const std::string four = three + static_cast<char>(d);
          ASSERT_EQ(utf8(four), utf8ByDefinition(four)) << a << ' ' << b;
        }
      }
    }
  }
}

TEST(Utf8, FindsAFaultAtEveryPlaceOfALongText) {
  for (size_t len = 1; len < 40; ++len) {
    const std::string good(len, 'a');
    EXPECT_TRUE(utf8(good));
    for (size_t at = 0; at < len; ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(0xFF);
      EXPECT_FALSE(utf8(bad)) << len << ' ' << at;
      bad[at] = static_cast<char>(0xC3);  // a character that lacks its second byte
      EXPECT_FALSE(utf8(bad)) << len << ' ' << at;
    }
  }
}

TEST(CloseReason, IsCutBetweenCharacters) {
  EXPECT_EQ(closeReasonToSend("bye"), "bye");
  EXPECT_EQ(closeReasonToSend("\xFF"), "");
  EXPECT_EQ(closeReasonToSend(std::string(124, 'a')), std::string(123, 'a'));
  std::string chinese;
  for (int i = 0; i < 50; ++i) chinese += "\xE4\xBD\xA0";  // 150 bytes
  EXPECT_EQ(closeReasonToSend(chinese).size(), 123u);
  EXPECT_TRUE(utf8(closeReasonToSend("a" + chinese)));
  EXPECT_EQ(closeReasonToSend("a" + chinese).size(), 121u);
}

TEST(CloseCode, OnlyThoseThatAServerMaySend) {
  for (int code : {0, 1000, 1003, 1007, 1009, 1011, 1014, 3000, 4999}) EXPECT_TRUE(mayBeSent(static_cast<uint16_t>(code))) << code;
  for (int code : {1, 999, 1004, 1005, 1006, 1010, 1015, 2999, 5000, 65535}) EXPECT_FALSE(mayBeSent(static_cast<uint16_t>(code))) << code;
}

TEST(Header, IsFoundInAnyLetterCaseAndJoined) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a:1\r\nX-Two: 1 \r\nx-two:\t2\r\nEmpty:\r\nX-Two-More: 3\r\n\r\n";
  EXPECT_EQ(headerInHead(head, "host"), "a:1");
  EXPECT_EQ(headerInHead(head, "X-TWO"), "1, 2");
  EXPECT_EQ(headerInHead(head, "Empty"), "");
  EXPECT_EQ(headerInHead(head, "X"), "");
  EXPECT_EQ(headerInHead(head, "GET / HTTP/1.1"), "");
  EXPECT_EQ(headerInHead("", "Host"), "");
}

TEST(Token, IsFoundInAListInAnyLetterCase) {
  EXPECT_TRUE(hasToken("keep-alive, Upgrade", "upgrade"));
  EXPECT_TRUE(hasToken("\tWebSocket ,h2c", "websocket"));
  EXPECT_TRUE(hasToken(",,websocket", "websocket"));
  EXPECT_FALSE(hasToken("websockets, web socket", "websocket"));
  EXPECT_FALSE(hasToken("", "websocket"));
}

TEST(Cookie, IsFoundByItsWholeName) {
  const std::string header = "a=1; session=abc=def==;b=\"q; empty=; flag; A=2";
  EXPECT_EQ(cookieInHeader(header, "a"), "1");
  EXPECT_EQ(cookieInHeader(header, "A"), "2");  // names of cookies have letter case
  EXPECT_EQ(cookieInHeader(header, "session"), "abc=def==");
  EXPECT_EQ(cookieInHeader(header, "b"), "\"q");
  EXPECT_EQ(cookieInHeader(header, "empty"), "");
  EXPECT_EQ(cookieInHeader(header, "flag"), "");
  EXPECT_EQ(cookieInHeader(header, "sess"), "");
  EXPECT_EQ(cookieInHeader(header, "session=abc"), "");
  EXPECT_EQ(cookieInHeader("", "a"), "");
}

TEST(QueryParameter, IsDecodedAndTheFirstOfItsName) {
  const std::string query = "token=%41%2b%26+x&token=2&&n%61me=%E5%A5%BD&empty=&flag&=nameless&half=%4&bad=%zz%&equals=a=b";
  EXPECT_EQ(queryParameter(query, "token"), "A+& x");
  EXPECT_EQ(queryParameter(query, "name"), "\xE5\xA5\xBD");
  EXPECT_EQ(queryParameter(query, "n%61me"), "");
  EXPECT_EQ(queryParameter(query, "empty"), "");
  EXPECT_EQ(queryParameter(query, "flag"), "");
  EXPECT_EQ(queryParameter(query, "half"), "%4");
  EXPECT_EQ(queryParameter(query, "bad"), "%zz%");
  EXPECT_EQ(queryParameter(query, "equals"), "a=b");
  EXPECT_EQ(queryParameter(query, "tok"), "");
  EXPECT_EQ(queryParameter("", "token"), "");
  EXPECT_EQ(queryParameter("z=%00x", "z"), std::string("\0x", 2));
}

TEST(Target, IsSplit) {
  const struct {
    const char* target;
    const char* path;
    const char* query;
  } cases[] = {
      {"/", "/", ""},
      {"/a/b?x=1&y=/?", "/a/b", "x=1&y=/?"},
      {"/?", "/", ""},
      {"http://host:80/p?q", "/p", "q"},
      {"http://host", "/", ""},
      {"https://host?q=1", "/", "q=1"},
  };
  for (const auto& c : cases) {
    std::string path;
    std::string query;
    splitTarget(c.target, &path, &query);
    EXPECT_EQ(path, c.path) << c.target;
    EXPECT_EQ(query, c.query) << c.target;
  }
}
