#include "host_lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <muduo/net/EventLoop.h>

#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace ai_chat {

namespace {

using Loop = muduo::net::EventLoop;

struct Wanted {
  std::mutex mutex;
  Loop* loop = nullptr;  // null: nobody wants to know any more
  std::function<void(const HostLookup&)> done;
};

void answer(const std::shared_ptr<Wanted>& wanted, const HostLookup& found) {
  const std::lock_guard<std::mutex> lock(wanted->mutex);
  if (wanted->loop == nullptr) return;
  wanted->loop->queueInLoop([wanted, found] {
    if (wanted->loop != nullptr) wanted->done(found);  // changes in this thread only
  });
}

HostLookup lookUp(const std::string& host) {
  HostLookup result;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &first);
  char text[NI_MAXHOST] = "";
  if (error != 0) {
    result.error = ::gai_strerror(error);
  } else if (::getnameinfo(first->ai_addr, first->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
    result.ip = text;
  } else {
    result.error = "no address that is known here";
  }
  if (first != nullptr) ::freeaddrinfo(first);
  return result;
}

bool isNumeric(const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), address) == 1 || ::inet_pton(AF_INET6, host.c_str(), address) == 1;
}

}  // namespace

std::shared_ptr<void> lookUpHost(Loop* loop, const std::string& host, std::function<void(const HostLookup&)> done) {
  auto wanted = std::make_shared<Wanted>();
  wanted->loop = loop;
  wanted->done = std::move(done);
  if (isNumeric(host)) {
    answer(wanted, {host, ""});
  } else {
    try {
      std::thread([wanted, host] { answer(wanted, lookUp(host)); }).detach();
    } catch (const std::system_error& error) {
      answer(wanted, {"", error.what()});
    }
  }
  return std::shared_ptr<void>(wanted.get(), [wanted](void*) {
    const std::lock_guard<std::mutex> lock(wanted->mutex);
    wanted->loop = nullptr;
  });
}

}  // namespace ai_chat
