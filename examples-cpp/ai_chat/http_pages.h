// What the server answers over HTTP: the page's files and /healthz to everybody; /metrics on a port of its own.
//
// Metrics tell a lot about a service and its users. Behind a proxy on the same machine every request comes from loopback,
// so who asks cannot be told by the address: a separate port, which no proxy leads to, can.
#ifndef AI_CHAT_HTTP_PAGES_H
#define AI_CHAT_HTTP_PAGES_H

#include <muduo/base/noncopyable.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "chat_metrics.h"
#include "static_files.h"

namespace ai_chat {

// Thread-safe once it is set up.
class HttpPages : muduo::noncopyable {
 public:
  struct Health {
    std::string node;
    std::string store;  // "memory" or "redis"
    bool degraded = false;
  };
  using Text = std::function<std::string()>;

  // All must outlive it.
  HttpPages(StaticFiles* files, const ChatMetrics* metrics, std::function<Health()> health);

  // ---- before the server starts ----

  // More for /metrics, in the text format of Prometheus: called in any loop.
  void addMetrics(Text text) { more_.push_back(std::move(text)); }
  // Labels of ai_chat_build_info.
  void setVersions(std::vector<std::pair<std::string, std::string>> versions) { versions_ = std::move(versions); }

  // ---- any thread ----

  // From now on /healthz is 503, so that balancers go elsewhere.
  void setDraining() { draining_ = true; }
  bool isDraining() const { return draining_; }

  // The port of the chat.
  void serve(const muduo::net::HttpRequest& request, muduo::net::HttpResponse* response);
  // The port of the operator.
  void serveOperator(const muduo::net::HttpRequest& request, muduo::net::HttpResponse* response);

 private:
  std::string health(bool isDraining) const;
  std::string metrics() const;
  void serveHealth(const muduo::net::HttpRequest& request, muduo::net::HttpResponse* response) const;

  StaticFiles* const files_;
  const ChatMetrics* const metrics_;
  const std::function<Health()> health_;
  std::vector<Text> more_;
  std::vector<std::pair<std::string, std::string>> versions_;
  std::atomic<bool> draining_{false};
};

}  // namespace ai_chat

#endif  // AI_CHAT_HTTP_PAGES_H
