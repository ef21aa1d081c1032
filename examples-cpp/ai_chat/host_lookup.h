// The address of a host's name. The system's resolver blocks, so names are looked up in a thread of their own.
#ifndef AI_CHAT_HOST_LOOKUP_H
#define AI_CHAT_HOST_LOOKUP_H

#include <functional>
#include <memory>
#include <string>

namespace muduo {
namespace net {
class EventLoop;
}
}  // namespace muduo

namespace ai_chat {

struct HostLookup {
  std::string ip;     // empty: `error` says why
  std::string error;
};

// `done` comes later, in that loop, unless what is returned has been destroyed by then, in the loop's thread.
std::shared_ptr<void> lookUpHost(muduo::net::EventLoop* loop, const std::string& host,
                                 std::function<void(const HostLookup&)> done);

}  // namespace ai_chat

#endif  // AI_CHAT_HOST_LOOKUP_H
