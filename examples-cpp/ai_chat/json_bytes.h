// Upstreams cut characters: a token's JSON string may hold half a UTF-8 sequence as raw bytes, or half
// a UTF-16 pair as a lone \uD83D. A JSON parser rightly refuses both. These two functions carry
// such halves through the parser and out again, so that they can be joined with their other halves.
#ifndef AI_CHAT_JSON_BYTES_H
#define AI_CHAT_JSON_BYTES_H

#include <string>
#include <string_view>

namespace ai_chat {

// `json`, with each byte that a parser would refuse written as a code point of U+10FF00..U+10FFFF.
// Those code points themselves, should the text hold any, are written the same way, so nothing is ambiguous.
std::string packBytes(std::string_view json);

// A string value out of packed JSON: the bytes that the upstream meant.
std::string unpackBytes(std::string_view value);

}  // namespace ai_chat

#endif  // AI_CHAT_JSON_BYTES_H
