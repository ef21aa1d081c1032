#include "muduo_ws/Text.h"

#include <string.h>
#include <strings.h>

#include <algorithm>
#include <vector>

namespace wsmuduo {
namespace detail {

namespace {

const size_t kMaxCloseReason = 123;  // a control frame holds 125 bytes, the code takes 2 (RFC 6455, 5.5)

bool isContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/// Length of the character that starts here, or 0 when none does.
size_t characterLength(const unsigned char* p, size_t available) {
  const unsigned char lead = p[0];
  if (lead < 0x80) return 1;
  size_t len = 0;
  unsigned char low = 0x80;  // bounds of the second byte: they rule out overlong forms, surrogates and > U+10FFFF
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    len = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    len = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    len = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (available < len || p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < len; ++i) {
    if (!isContinuation(p[i])) return 0;
  }
  return len;
}

std::string trimmed(const char* begin, const char* end) {
  while (begin < end && (*begin == ' ' || *begin == '\t')) ++begin;
  while (begin < end && (end[-1] == ' ' || end[-1] == '\t')) --end;
  return std::string(begin, end);
}

/// The parts between the separators, without white space around them.
std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(separator, start), text.size());
    parts.push_back(trimmed(text.data() + start, text.data() + end));
    start = end + 1;
  }
  return parts;
}

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string decoded(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? hexDigit(text[i + 2]) : -1;
    if (low >= 0) {
      result += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

}  // namespace

bool isUtf8(const char* data, size_t len) {
  const unsigned char* p = reinterpret_cast<const unsigned char*>(data);
  size_t i = 0;
  while (i < len) {
    uint64_t word = 0;  // eight ASCII bytes at a time
    while (len - i >= sizeof word) {
      memcpy(&word, p + i, sizeof word);
      if (word & 0x8080808080808080ULL) break;
      i += sizeof word;
    }
    if (i == len) break;
    const size_t step = characterLength(p + i, len - i);
    if (step == 0) return false;
    i += step;
  }
  return true;
}

std::string closeReasonToSend(const std::string& reason) {
  if (!isUtf8(reason.data(), reason.size())) return std::string();
  if (reason.size() <= kMaxCloseReason) return reason;
  size_t cut = kMaxCloseReason;
  while (cut > 0 && isContinuation(static_cast<unsigned char>(reason[cut]))) --cut;
  return reason.substr(0, cut);
}

bool mayBeSent(uint16_t closeCode) {
  return closeCode == 0 || (closeCode >= 1000 && closeCode <= 1003) || (closeCode >= 1007 && closeCode <= 1009) ||
         (closeCode >= 1011 && closeCode <= 1014) || (closeCode >= 3000 && closeCode <= 4999);
}

std::string headerInHead(const std::string& head, const std::string& name) {
  std::string value;
  bool found = false;
  size_t lineStart = head.find("\r\n");  // behind the request line
  while (lineStart != std::string::npos) {
    lineStart += 2;
    const size_t lineEnd = head.find("\r\n", lineStart);
    if (lineEnd == std::string::npos || lineEnd == lineStart) break;  // the blank line
    const size_t nameEnd = lineStart + name.size();
    if (nameEnd < lineEnd && head[nameEnd] == ':' &&
        strncasecmp(head.data() + lineStart, name.data(), name.size()) == 0) {
      if (found) value += ", ";
      value += trimmed(head.data() + nameEnd + 1, head.data() + lineEnd);
      found = true;
    }
    lineStart = lineEnd;
  }
  return value;
}

bool hasToken(const std::string& list, const std::string& token) {
  for (const std::string& item : split(list, ',')) {
    if (item.size() == token.size() && strncasecmp(item.data(), token.data(), token.size()) == 0) return true;
  }
  return false;
}

std::string cookieInHeader(const std::string& header, const std::string& name) {
  for (const std::string& pair : split(header, ';')) {
    const size_t equals = pair.find('=');
    if (equals != std::string::npos && pair.compare(0, equals, name) == 0) return pair.substr(equals + 1);
  }
  return std::string();
}

std::string queryParameter(const std::string& query, const std::string& name) {
  for (const std::string& pair : split(query, '&')) {
    const size_t equals = pair.find('=');
    if (decoded(pair.substr(0, equals)) != name) continue;
    return equals == std::string::npos ? std::string() : decoded(pair.substr(equals + 1));
  }
  return std::string();
}

void splitTarget(const std::string& target, std::string* path, std::string* query) {
  size_t start = 0;
  if (target.empty() || target[0] != '/') {  // absolute form (RFC 9112, 3.2.2)
    const size_t scheme = target.find("://");
    start = scheme == std::string::npos ? target.size() : target.find_first_of("/?", scheme + 3);
    if (start == std::string::npos) start = target.size();
  }
  const size_t question = target.find('?', start);
  path->assign(target, start, question == std::string::npos ? std::string::npos : question - start);
  query->assign(question == std::string::npos ? std::string() : target.substr(question + 1));
  if (path->empty()) *path = "/";
}

}  // namespace detail
}  // namespace wsmuduo
