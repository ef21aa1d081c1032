// Hashes in hexadecimal.
#ifndef AI_CHAT_DIGEST_H
#define AI_CHAT_DIGEST_H

#include <string>
#include <string_view>

namespace ai_chat {

// Not for secrets: Redis names scripts so.
std::string sha1Hex(std::string_view bytes);
// `bytes` random ones.
std::string randomHex(int bytes);

}  // namespace ai_chat

#endif  // AI_CHAT_DIGEST_H
