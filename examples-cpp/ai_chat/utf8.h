// UTF-8, as a few pure functions. Text that goes to a browser must be well formed;
// what a model's server sends need not be.
#ifndef AI_CHAT_UTF8_H
#define AI_CHAT_UTF8_H

#include <cstddef>
#include <string>
#include <string_view>

namespace ai_chat {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// What stands at the beginning of some bytes.
struct Utf8Piece {
  enum class Kind {
    kWhole,          // a character
    kBroken,         // bytes that can never become one; `length` of them make one U+FFFD
    kCut,            // the beginning of a character; the rest may come with the next bytes
    kHighSurrogate,  // half of a UTF-16 pair, encoded as if it were a character (3 bytes)
    kLowSurrogate,   // the other half
  };
  Kind kind;
  std::size_t length;
};

// `bytes` must not be empty.
Utf8Piece firstPiece(std::string_view bytes);

bool isUtf8(std::string_view bytes);

// `bytes` with everything that is not UTF-8 replaced by U+FFFD.
std::string replaceBroken(std::string_view bytes);

// The longest beginning of the UTF-8 `text` that has at most `maxBytes` bytes and cuts no character.
std::string_view cutToWhole(std::string_view text, std::size_t maxBytes);

// `text`, with an ellipsis instead of what exceeds `maxBytes`.
std::string shorten(std::string_view text, std::size_t maxBytes);

// Appends `codePoint` (at most U+10FFFF; a surrogate becomes 3 bytes that are not UTF-8).
void appendUtf8(char32_t codePoint, std::string* out);

}  // namespace ai_chat

#endif  // AI_CHAT_UTF8_H
