// ai_chat: a browser's chat with a language model. Serves the page on /, the chat on /ws/chat, and relays the
// tokens of an OpenAI-compatible server as they arrive.
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <unistd.h>
#include <ws_engine.h>

#include <muduo/net/EventLoop.h>
#include <muduo/net/InetAddress.h>

#include <cctype>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "chat_metrics.h"
#include "chat_service.h"
#include "hang_up.h"
#include "http_pages.h"
#include "log.h"
#include "memory_store.h"
#include "muduo_ws/HttpServer.h"
#include "muduo_ws/StopSignals.h"
#include "muduo_ws/TlsContext.h"
#include "options.h"
#include "redis_store.h"
#include "reserved_port.h"
#include "static_files.h"
#include "wire.h"

namespace ai_chat {
namespace {

#ifdef MUDUO_STANDIN
constexpr const char kReactor[] = "Muduo's stand-in";
#else
constexpr const char kReactor[] = "Muduo";
#endif

constexpr double kStoreSeconds = 3;  // for what is on its way to the store
constexpr double kCloseSeconds = 3;  // for browsers to answer the close and to hang up

// The page lies beside the sources: <examples-cpp>/build/ai_chat, <examples-cpp>/ai_chat/www.
std::string defaultWww() {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return "www";
  const std::string exe(path, static_cast<std::size_t>(length));
  return exe.substr(0, exe.rfind('/')) + "/../ai_chat/www";
}

std::string wwwOf(const Options& options) { return options.www.empty() ? defaultWww() : options.www; }

wsmuduo::WebSocketServer::Options webSocketOptions(const Options& options) {
  wsmuduo::WebSocketServer::Options result;
  result.writeStallSeconds = options.stallTimeout;
  result.highWaterMark = 256 * 1024;  // an answer that is not read is held up at its source
  result.lowWaterMark = 64 * 1024;
  result.tokenMergeSeconds = options.chat.mergeSeconds;
  result.subprotocols = {kSubprotocol};
  for (const std::string& origin : options.allowedOrigins) {
    if (origin == "*") {
      result.originPolicy = wsmuduo::WebSocketServer::kAnyOrigin;
      result.allowedOrigins.clear();
      break;
    }
    result.allowedOrigins.push_back(origin);
  }
  return result;
}

std::string urlOf(const char* scheme, const std::string& address, std::uint16_t port) {
  const std::string host = address == "0.0.0.0" ? "127.0.0.1" : address == "::" ? "::1" : address;
  const bool isIpv6 = host.find(':') != std::string::npos;
  return std::string(scheme) + "://" + (isIpv6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/";
}

// Behind the line's first word and URL everything is for people.
void printReady(const Options& options, std::uint16_t port, std::uint16_t metricsPort) {
  const bool isOpen = options.bind == "0.0.0.0" || options.bind == "::";
  const std::string url = urlOf(options.tlsCert.empty() ? "http" : "https", options.bind, port);
  const std::string metrics =
      metricsPort == 0 ? "" : "; metrics at " + urlOf("http", options.metricsBind, metricsPort) + "metrics";
  std::printf("ai_chat: %s (node %s, on %s, wsengine %s; model \"%s\" at %s%s%s)\n", url.c_str(),
              options.chat.node.c_str(), kReactor, ws_version(), options.chat.upstream.model.c_str(),
              options.chat.upstream.url.c_str(), metrics.c_str(), isOpen ? "; open on every address" : "");
  std::fflush(stdout);
}

// The host's name says where it runs, the rest tells processes and starts apart.
std::string newNode() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  std::string name;
  for (const char* c = host; *c != '\0' && name.size() < 48; ++c) {
    name += std::isalnum(static_cast<unsigned char>(*c)) || *c == '-' || *c == '.' ? *c : '-';
  }
  char random[16];
  std::snprintf(random, sizeof random, "%08x", std::random_device()());
  return (name.empty() ? "node" : name) + "-" + random;
}

std::vector<std::pair<std::string, std::string>> versions() {
  return {{"wsengine", ws_version()},
          {"reactor", kReactor},
          {"curl", curl_version_info(CURLVERSION_NOW)->version},
          {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
          {"compiler", __VERSION__}};
}

std::shared_ptr<wsmuduo::TlsContext> tlsOf(const Options& options) {
  if (options.tlsCert.empty()) return nullptr;
  return std::make_shared<wsmuduo::TlsContext>(options.tlsCert, options.tlsKey);
}

// Reads everything that a start reads, and opens nothing.
void check(const Options& options) {
  const StaticFiles files(wwwOf(options));
  tlsOf(options);
}

muduo::net::InetAddress addressOf(const std::string& address, std::uint16_t port) {
  return muduo::net::InetAddress(address, port, address.find(':') != std::string::npos);
}

// /metrics and /healthz for the operator, in the base loop.
class OperatorServer : muduo::noncopyable {
 public:
  OperatorServer(muduo::net::EventLoop* loop, const Options& options, HttpPages* pages)
      : reserved_(std::make_unique<ReservedPort>(options.metricsBind, static_cast<std::uint16_t>(options.metricsPort))),
        port_(reserved_->port()),
        server_(loop, addressOf(options.metricsBind, port_), "metrics") {
    server_.setHttpCallback([pages](const muduo::net::HttpRequest& request, muduo::net::HttpResponse* response) {
      pages->serveOperator(request, response);
    });
    server_.start();
    reserved_.reset();
  }

  std::uint16_t port() const { return port_; }
  void stop(const std::function<void()>& done) { server_.stop(kCloseSeconds, done); }

 private:
  std::unique_ptr<ReservedPort> reserved_;
  const std::uint16_t port_;
  wsmuduo::HttpServer server_;
};

void reload(wsmuduo::TlsContext* tls) {
  if (tls == nullptr) {
    Log(Log::kInfo, "nothing_to_reload");
    return;
  }
  try {
    tls->reload();
    Log(Log::kInfo, "certificate_reloaded");
  } catch (const std::exception& error) {
    Log(Log::kError, "certificate_kept").add("why", error.what());
  }
}

std::unique_ptr<Store> storeOf(const Options& options, ChatMetrics* metrics) {
  if (options.redisHost.empty()) return std::make_unique<MemoryStore>(options.chat.store);
  RedisOptions redis;
  redis.address.host = options.redisHost;
  redis.address.port = options.redisPort;
  redis.address.password = options.redisPassword;
  redis.prefix = options.redisPrefix;
  redis.node = options.chat.node;
  return std::make_unique<RedisStore>(redis, options.chat.store, metrics);
}

void run(const Options& options) {
  StaticFiles files(wwwOf(options));
  const std::shared_ptr<wsmuduo::TlsContext> tls = tlsOf(options);
  auto reserved = std::make_unique<ReservedPort>(options.bind, options.port);
  const std::uint16_t port = reserved->port();

  muduo::net::EventLoop loop;
  wsmuduo::StopSignals stopSignals;  // both before the server's threads
  HangUp hangUp;
  ChatMetrics metrics;
  const std::unique_ptr<Store> store = storeOf(options, &metrics);
  ChatService chat(options.chat, &loop, store.get(), &metrics);
  HttpPages pages(&files, &metrics,
                  [&] { return HttpPages::Health{options.chat.node, store->name(), store->degraded()}; });
  pages.setVersions(versions());
  wsmuduo::HttpServer server(&loop, addressOf(options.bind, port), "ai_chat", muduo::net::TcpServer::kNoReusePort,
                             webSocketOptions(options));
  server.setTls(tls);
  server.setThreadNum(options.threads);
  server.setThreadInitCallback([&chat](muduo::net::EventLoop* ioLoop) { chat.onLoop(ioLoop); });
  server.setHttpCallback([&pages](const muduo::net::HttpRequest& request, muduo::net::HttpResponse* response) {
    pages.serve(request, response);
  });
  // Who comes while it drains is sent on: proxies ask the next node, where an answer goes on too if the store is shared.
  server.setHandshakeCallback([&pages](const wsmuduo::WebSocketHandshakePtr& handshake) {
    if (pages.isDraining()) {
      handshake->reject(503, "the server is about to end\n");
    } else {
      handshake->accept();
    }
  });
  server.websocket(
      "/ws/chat",
      [&chat](const wsmuduo::WebSocketConnectionPtr& webSocket, const muduo::StringPiece& data, bool isText,
              muduo::Timestamp when) { chat.onMessage(webSocket, data, isText, when); },
      [&chat](const wsmuduo::WebSocketConnectionPtr& webSocket) { chat.onConnection(webSocket); });
  chat.attach(&server.webSocketServer());
  pages.addMetrics([&server] { return server.webSocketServer().metricsText(); });
  std::unique_ptr<OperatorServer> operatorServer;
  if (options.metricsPort >= 0) operatorServer = std::make_unique<OperatorServer>(&loop, options, &pages);
  server.start();
  reserved.reset();

  // The end, step by step: balancers are told, answers under way come to their end, every browser gets a close frame,
  // libcurl leaves every loop, the store writes what it has, the operator's port is closed, the loop ends. A second
  // signal ends the process at once.
  const auto closeOperator = [&] {
    if (!operatorServer) return loop.quit();
    operatorServer->stop([&loop] { loop.quit(); });
  };
  stopSignals.watch(&loop, [&] {
    pages.setDraining();
    Log(Log::kInfo, "draining").add("answers", metrics.answersUnderWay.load()).add("seconds", options.drainSeconds);
    chat.drain(options.drainSeconds, [&] {
      Log(Log::kInfo, "closing").add("answersLost", metrics.answersUnderWay.load());
      const auto stopStore = [&] { loop.runInLoop([&] { store->stop(kStoreSeconds, closeOperator); }); };
      server.stop(kCloseSeconds, [&, stopStore] { chat.leaveLoops(stopStore); });
    });
  });
  hangUp.watch(&loop, [&tls] { reload(tls.get()); });
  printReady(options, port, operatorServer ? operatorServer->port() : std::uint16_t(0));
  loop.loop();
  Log(Log::kInfo, "ended");
}

int start(CommandLine line) {
  Options& options = line.options;
  Log::setUp(options.verbose ? Log::kInfo : Log::kWarning, options.jsonLogs ? Log::Format::kJson : Log::Format::kText);
  for (const std::string& warning : line.warnings) Log(Log::kWarning, "options").add("message", warning);
  if (options.chat.node.empty()) options.chat.node = newNode();

  std::signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  int status = 0;
  try {
    if (line.checkConfig) {
      check(options);
      std::puts("ok");
    } else {
      run(options);
    }
  } catch (const std::exception& error) {
    Log(Log::kError, "failed").add("message", error.what());
    status = 1;
  }
  curl_global_cleanup();
  return status;
}

}  // namespace
}  // namespace ai_chat

int main(int argc, char** argv) {
  ai_chat::CommandLine line = ai_chat::parseCommandLine(argc, argv);
  if (line.help) {
    std::fputs(ai_chat::usage().c_str(), stdout);
    return 0;
  }
  if (!line.error.empty()) {
    std::fprintf(stderr,
                 "ai_chat: %s\nusage: ai_chat --port P --upstream URL [option...]; ai_chat --help lists the options\n",
                 line.error.c_str());
    return 2;
  }
  return ai_chat::start(std::move(line));
}
