#include "utf8.h"

namespace ai_chat {

namespace {

using Kind = Utf8Piece::Kind;

unsigned byteAt(std::string_view bytes, std::size_t i) { return static_cast<unsigned char>(bytes[i]); }

// The length that a first byte promises and the range of the second byte (Unicode, table 3-7;
// 0xED is let through to the surrogates, which the caller tells apart).
struct Lead {
  std::size_t length;
  unsigned low;
  unsigned high;
};

Lead lead(unsigned byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Piece firstPiece(std::string_view bytes) {
  const unsigned first = byteAt(bytes, 0);
  if (first < 0x80) return {Kind::kWhole, 1};

  const Lead expected = lead(first);
  if (expected.length == 0) return {Kind::kBroken, 1};

  for (std::size_t i = 1; i < expected.length; ++i) {
    if (i == bytes.size()) return {Kind::kCut, i};
    const unsigned byte = byteAt(bytes, i);
    const unsigned low = i == 1 ? expected.low : 0x80;
    const unsigned high = i == 1 ? expected.high : 0xBF;
    if (byte < low || byte > high) {
      // ED A0..BF was never the beginning of a character: only its first byte counts as one mistake.
      const bool surrogate = first == 0xED && i == 2 && byteAt(bytes, 1) >= 0xA0;
      return {Kind::kBroken, surrogate ? 1 : i};
    }
  }
  if (first == 0xED && byteAt(bytes, 1) >= 0xB0) return {Kind::kLowSurrogate, 3};
  if (first == 0xED && byteAt(bytes, 1) >= 0xA0) return {Kind::kHighSurrogate, 3};
  return {Kind::kWhole, expected.length};
}

bool isUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Piece piece = firstPiece(bytes);
    if (piece.kind != Kind::kWhole) return false;
    bytes.remove_prefix(piece.length);
  }
  return true;
}

std::string replaceBroken(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Utf8Piece piece = firstPiece(bytes);
    text += piece.kind == Kind::kWhole ? bytes.substr(0, piece.length) : kReplacementCharacter;
    bytes.remove_prefix(piece.length);
  }
  return text;
}

std::string_view cutToWhole(std::string_view text, std::size_t maxBytes) {
  if (text.size() <= maxBytes) return text;
  std::size_t end = maxBytes;
  while (end > 0 && (byteAt(text, end) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string shorten(std::string_view text, std::size_t maxBytes) {
  constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
  if (text.size() <= maxBytes) return std::string(text);
  if (maxBytes < kEllipsis.size()) return std::string();
  return std::string(cutToWhole(text, maxBytes - kEllipsis.size())).append(kEllipsis);
}

void appendUtf8(char32_t c, std::string* out) {
  const auto add = [out](char32_t byte) { out->push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (c < 0x80) {
    add(c);
  } else if (c < 0x800) {
    add(0xC0 | (c >> 6));
    add(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    add(0xE0 | (c >> 12));
    add(0x80 | ((c >> 6) & 0x3F));
    add(0x80 | (c & 0x3F));
  } else {
    add(0xF0 | (c >> 18));
    add(0x80 | ((c >> 12) & 0x3F));
    add(0x80 | ((c >> 6) & 0x3F));
    add(0x80 | (c & 0x3F));
  }
}

}  // namespace ai_chat
