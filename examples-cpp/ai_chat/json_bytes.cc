#include "json_bytes.h"

#include <optional>

#include "utf8.h"

namespace ai_chat {

namespace {

constexpr char32_t kFirstCarrier = 0x10FF00;  // UTF-8: F4 8F BC 80 .. F4 8F BF BF

void pack(std::string_view bytes, std::string* out) {
  for (const char byte : bytes) appendUtf8(kFirstCarrier + static_cast<unsigned char>(byte), out);
}

bool isCarrier(std::string_view character) {
  return character.size() == 4 && character[0] == '\xF4' && character[1] == '\x8F' &&
         static_cast<unsigned char>(character[2]) >= 0xBC;
}

// The value of an escape \uXXXX at the beginning of `text`.
std::optional<char32_t> unicodeEscape(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  char32_t value = 0;
  for (const char c : text.substr(2, 4)) {
    value <<= 4;
    if (c >= '0' && c <= '9') {
      value |= static_cast<char32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value |= static_cast<char32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      value |= static_cast<char32_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

bool isHigh(char32_t c) { return c >= 0xD800 && c <= 0xDBFF; }
bool isLow(char32_t c) { return c >= 0xDC00 && c <= 0xDFFF; }

// Copies the escape at the beginning of `text`, packed where a parser would refuse it or where
// it would be taken for packed bytes; returns its length.
std::size_t copyEscape(std::string_view text, std::string* out) {
  const std::optional<char32_t> first = unicodeEscape(text);
  if (!first || (!isHigh(*first) && !isLow(*first))) {
    const std::string_view escape = text.substr(0, 2);  // \n, \" or the beginning of \u0041
    out->append(escape);
    return escape.size();
  }
  const std::optional<char32_t> second = isHigh(*first) ? unicodeEscape(text.substr(6)) : std::nullopt;
  if (!second || !isLow(*second)) {
    std::string half;
    appendUtf8(*first, &half);
    pack(half, out);
    return 6;
  }
  const char32_t character = 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00);
  if (character >= kFirstCarrier) {
    std::string bytes;
    appendUtf8(character, &bytes);
    pack(bytes, out);
  } else {
    out->append(text.substr(0, 12));
  }
  return 12;
}

}  // namespace

std::string packBytes(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 64);
  while (!json.empty()) {
    std::size_t length = 1;
    if (json.front() == '\\') {
      length = copyEscape(json, &out);
    } else {
      const Utf8Piece piece = firstPiece(json);
      length = piece.length;
      const std::string_view bytes = json.substr(0, length);
      if (piece.kind == Utf8Piece::Kind::kWhole && !isCarrier(bytes)) {
        out.append(bytes);
      } else {
        pack(bytes, &out);
      }
    }
    json.remove_prefix(length);
  }
  return out;
}

std::string unpackBytes(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  while (!value.empty()) {
    const std::string_view character = value.substr(0, firstPiece(value).length);
    if (isCarrier(character)) {
      const unsigned byte = (static_cast<unsigned char>(character[2]) & 0x03u) << 6 |
                            (static_cast<unsigned char>(character[3]) & 0x3Fu);
      out.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
    } else {
      out.append(character);
    }
    value.remove_prefix(character.size());
  }
  return out;
}

}  // namespace ai_chat
