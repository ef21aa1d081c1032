// Internal: the few questions about text that the adapter has to answer outside the loop's thread.

#ifndef MUDUO_WS_TEXT_H
#define MUDUO_WS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace wsmuduo {
namespace detail {

/// Whether the bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF). The engine checks
/// again when it queues; this check is for senders on other threads, who must get their answer at once.
bool isUtf8(const char* data, size_t len);

/// `reason` as a close frame can carry it: UTF-8, at most 123 bytes, cut between characters; empty when it is not UTF-8.
std::string closeReasonToSend(const std::string& reason);

/// Whether a server may send this code in a close frame (RFC 6455, 7.4); 0 stands for no code.
bool mayBeSent(uint16_t closeCode);

/// A header's value in a request head that the engine has accepted, by name in any letter case; repeated ones are joined
/// with ", " (RFC 9110, 5.3); empty when there is none.
std::string headerInHead(const std::string& head, const std::string& name);

/// Whether a list such as "keep-alive, Upgrade" has the token, in any letter case.
bool hasToken(const std::string& list, const std::string& token);

/// The value of a cookie in a Cookie header; empty when there is none.
std::string cookieInHeader(const std::string& header, const std::string& name);

/// The first parameter of that name in a query, percent-decoded, '+' as a space; empty when there is none.
std::string queryParameter(const std::string& query, const std::string& name);

/// Splits a request target, a path or an absolute URI, in path and query (without '?').
void splitTarget(const std::string& target, std::string* path, std::string* query);

}  // namespace detail
}  // namespace wsmuduo

#endif  // MUDUO_WS_TEXT_H
