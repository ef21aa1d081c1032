// The address of the model's server, as a user gives it.
#ifndef AI_CHAT_UPSTREAM_URL_H
#define AI_CHAT_UPSTREAM_URL_H

#include <string>

namespace ai_chat {

// Checks and normalises it: http or https, a host, no user name, query or fragment, no slash at the end.
// Returns what is wrong with it, or "".
std::string checkUpstreamUrl(std::string* url);

// It leads to this machine.
bool isLoopback(const std::string& url);

}  // namespace ai_chat

#endif  // AI_CHAT_UPSTREAM_URL_H
