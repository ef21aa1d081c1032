// Tokens of a language model are bytes: one may end in the middle of a character. This holds the
// beginning of such a character back until the rest has come, so that only whole characters leave.
#ifndef AI_CHAT_UTF8_HOLD_H
#define AI_CHAT_UTF8_HOLD_H

#include <string>
#include <string_view>

namespace ai_chat {

// Whatever the input is, and however it is cut, the output is UTF-8: bytes that cannot become a
// character turn into U+FFFD. The two halves of a UTF-16 pair, which upstreams written in languages
// with UTF-16 strings send in separate tokens, are joined to their character.
class Utf8Hold {
 public:
  // Appends to `text` what has become whole.
  void feed(std::string_view bytes, std::string* text);

  // Nothing will follow: an incomplete tail becomes U+FFFD.
  void finish(std::string* text);

  bool holding() const { return !held_.empty(); }

 private:
  std::string held_;  // at most 5 bytes: half a pair and two bytes of its other half
};

}  // namespace ai_chat

#endif  // AI_CHAT_UTF8_HOLD_H
