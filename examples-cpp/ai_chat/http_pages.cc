#include "http_pages.h"

#include <muduo/net/http/HttpRequest.h>
#include <muduo/net/http/HttpResponse.h>

#include "json_text.h"
#include "process_metrics.h"

namespace ai_chat {

namespace {

using muduo::net::HttpRequest;
using muduo::net::HttpResponse;

bool isRead(const HttpRequest& request) {
  return request.method() == HttpRequest::kGet || request.method() == HttpRequest::kHead;
}

void answer(HttpResponse* response, int status, const char* message, const char* type, const std::string& body) {
  response->setStatusCode(static_cast<HttpResponse::HttpStatusCode>(status));
  response->setStatusMessage(message);
  response->setContentType(type);
  response->addHeader("Cache-Control", "no-store");
  response->addHeader("X-Content-Type-Options", "nosniff");
  response->setBody(body);  // also to HEAD: the server leaves it out, and tells its length
}

void refuseMethod(HttpResponse* response) {
  response->addHeader("Allow", "GET, HEAD");
  response->setCloseConnection(true);
  answer(response, 405, "Method Not Allowed", "text/plain; charset=utf-8", "GET and HEAD only.\n");
}

}  // namespace

HttpPages::HttpPages(StaticFiles* files, const ChatMetrics* metrics, std::function<Health()> health)
    : files_(files), metrics_(metrics), health_(std::move(health)) {}

void HttpPages::serve(const HttpRequest& request, HttpResponse* response) {
  if (request.path() == "/healthz") {
    serveHealth(request, response);
  } else {
    files_->serve(request, response);
  }
}

void HttpPages::serveOperator(const HttpRequest& request, HttpResponse* response) {
  const char* const kText = "text/plain; charset=utf-8";
  if (request.path() == "/healthz") {
    serveHealth(request, response);
  } else if (!isRead(request)) {
    refuseMethod(response);
  } else if (request.path() == "/metrics") {
    answer(response, 200, "OK", "text/plain; version=0.0.4; charset=utf-8", metrics());
  } else {
    answer(response, 404, "Not Found", kText, "There are /metrics and /healthz here.\n");
  }
}

void HttpPages::serveHealth(const HttpRequest& request, HttpResponse* response) const {
  const bool isDraining = draining_;
  if (!isRead(request)) {
    refuseMethod(response);
  } else if (isDraining) {
    answer(response, 503, "Service Unavailable", "application/json", health(isDraining));
  } else {
    answer(response, 200, "OK", "application/json", health(isDraining));
  }
}

// A store that cannot be reached is no reason to go elsewhere: the other nodes have the same one, and answers go on.
std::string HttpPages::health(bool isDraining) const {
  const Health now = health_();
  nlohmann::ordered_json json;
  json["status"] = isDraining ? "draining" : "ok";
  json["node"] = now.node;
  json["store"] = now.store;
  json["degraded"] = now.degraded;
  json["answers"] = metrics_->answersUnderWay.load();
  return dumpJson(json) + "\n";
}

std::string HttpPages::metrics() const {
  std::string out = metrics_->render();
  out += "# HELP ai_chat_draining 1 while the server waits for its last answers, and takes no question.\n"
         "# TYPE ai_chat_draining gauge\nai_chat_draining ";
  out += draining_ ? "1\n" : "0\n";
  out += "# HELP ai_chat_build_info 1; the labels say what runs.\n# TYPE ai_chat_build_info gauge\nai_chat_build_info{";
  const char* comma = "";
  for (const auto& [name, value] : versions_) {
    out += comma + name + "=\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c == '\n' ? ' ' : c;
    }
    out += '"';
    comma = ",";
  }
  out += "} 1\n";
  for (const Text& text : more_) out += text();
  return out + renderProcessMetrics();
}

}  // namespace ai_chat
