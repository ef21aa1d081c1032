// What a store keeps of a token that a client claims a name with: it can tell whether a token is the same, and not what
// it was. Tokens are random and long, so one round of SHA-256 is enough.
#ifndef AI_CHAT_TOKEN_HASH_H
#define AI_CHAT_TOKEN_HASH_H

#include <string>
#include <string_view>

namespace ai_chat {

// SHA-256, as 64 hexadecimal digits.
std::string hashToken(std::string_view token);

// Takes as long for hashes that differ at the end as for those that differ at the beginning.
bool isSameHash(std::string_view one, std::string_view other);

}  // namespace ai_chat

#endif  // AI_CHAT_TOKEN_HASH_H
