#include "utf8_hold.h"

#include "utf8.h"

namespace ai_chat {

namespace {

using Kind = Utf8Piece::Kind;

char32_t surrogateValue(std::string_view threeBytes) {
  return 0xD000u | ((static_cast<unsigned char>(threeBytes[1]) & 0x3Fu) << 6) |
         (static_cast<unsigned char>(threeBytes[2]) & 0x3Fu);
}

// Could `bytes`, cut at their end, become a low surrogate (ED B0..BF xx)?
bool mayBecomeLowSurrogate(std::string_view bytes) {
  return bytes.empty() || (bytes[0] == '\xED' && (bytes.size() == 1 || static_cast<unsigned char>(bytes[1]) >= 0xB0));
}

// Appends the whole characters at the beginning of `bytes`; returns how many bytes that took.
// What is left is the beginning of a character.
std::size_t take(std::string_view bytes, std::string* text) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::string_view rest = bytes.substr(at);
    const Utf8Piece piece = firstPiece(rest);
    switch (piece.kind) {
      case Kind::kWhole:
        text->append(rest.substr(0, piece.length));
        break;
      case Kind::kCut:
        return at;
      case Kind::kHighSurrogate: {
        const std::string_view other = rest.substr(piece.length);
        if (other.size() < 3 && mayBecomeLowSurrogate(other)) return at;
        if (!other.empty() && firstPiece(other).kind == Kind::kLowSurrogate) {
          const char32_t high = surrogateValue(rest);
          const char32_t low = surrogateValue(other);
          appendUtf8(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), text);
          at += 3;
        } else {
          text->append(kReplacementCharacter);
        }
        break;
      }
      case Kind::kLowSurrogate:
      case Kind::kBroken:
        text->append(kReplacementCharacter);
        break;
    }
    at += piece.length;
  }
  return at;
}

}  // namespace

void Utf8Hold::feed(std::string_view bytes, std::string* text) {
  if (held_.empty()) {
    held_.assign(bytes.substr(take(bytes, text)));
  } else {
    held_.append(bytes);
    held_.erase(0, take(held_, text));
  }
}

void Utf8Hold::finish(std::string* text) {
  if (held_.empty()) return;
  text->append(kReplacementCharacter);
  // Behind half a pair there may be the beginning of the other half.
  if (held_.size() > 3) text->append(kReplacementCharacter);
  held_.clear();
}

}  // namespace ai_chat
