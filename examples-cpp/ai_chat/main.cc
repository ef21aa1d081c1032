// ai_chat: a browser's chat with a language model. Serves the page on /, the chat on /ws/chat, and relays the
// tokens of an OpenAI-compatible server as they arrive.
#include <curl/curl.h>
#include <ws_engine.h>

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/InetAddress.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <unistd.h>

#include "chat_service.h"
#include "muduo_ws/HttpServer.h"
#include "muduo_ws/StopSignals.h"
#include "options.h"
#include "reserved_port.h"
#include "static_files.h"
#include "upstream_url.h"

namespace ai_chat {
namespace {

#ifdef MUDUO_STANDIN
constexpr const char kReactor[] = "Muduo's stand-in";
#else
constexpr const char kReactor[] = "Muduo";
#endif

constexpr double kDrainSeconds = 3;  // for browsers to answer the close and to hang up

void logToStderr(const char* text, int length) {
  // One write a line: lines of several loops do not mix.
  const ssize_t written = ::write(STDERR_FILENO, text, static_cast<std::size_t>(length));
  (void)written;
}

void flushNothing() {}

// The page lies beside the sources: <examples-cpp>/build/ai_chat, <examples-cpp>/ai_chat/www.
std::string defaultWww() {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return "www";
  const std::string exe(path, static_cast<std::size_t>(length));
  return exe.substr(0, exe.rfind('/')) + "/../ai_chat/www";
}

wsmuduo::WebSocketServer::Options webSocketOptions(const Options& options) {
  wsmuduo::WebSocketServer::Options result;
  result.writeStallSeconds = options.stallTimeout;
  result.highWaterMark = 256 * 1024;  // an answer that is not read is held up at its source
  result.lowWaterMark = 64 * 1024;
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

void warnOfPlainKey(const UpstreamOptions& upstream) {
  const bool plain = upstream.url.compare(0, 5, "http:") == 0 && !isLoopback(upstream.url);
  if (plain && !upstream.apiKey.empty()) LOG_WARN << "the API key goes over the network unencrypted: use https://";
}

void printReady(const Options& options, std::uint16_t port) {
  const bool ipv6 = options.bind.find(':') != std::string::npos;
  const bool everywhere = options.bind == "0.0.0.0" || options.bind == "::";
  const std::string host = everywhere ? (ipv6 ? "[::1]" : "127.0.0.1") : ipv6 ? "[" + options.bind + "]" : options.bind;
  std::printf("ai_chat: http://%s:%u/ (on %s, wsengine %s; model \"%s\" at %s%s)\n", host.c_str(),
              static_cast<unsigned>(port), kReactor, ws_version(), options.chat.upstream.model.c_str(),
              options.chat.upstream.url.c_str(), everywhere ? "; open on every address" : "");
  std::fflush(stdout);
}

void run(const Options& options) {
  StaticFiles files(options.www.empty() ? defaultWww() : options.www);
  auto reserved = std::make_unique<ReservedPort>(options.bind, options.port);
  const std::uint16_t port = reserved->port();

  muduo::net::EventLoop loop;
  wsmuduo::StopSignals signals;  // before the server's threads
  ChatService chat(options.chat);
  const bool ipv6 = options.bind.find(':') != std::string::npos;
  wsmuduo::HttpServer server(&loop, muduo::net::InetAddress(options.bind, port, ipv6), "ai_chat",
                             muduo::net::TcpServer::kNoReusePort, webSocketOptions(options));
  server.setThreadNum(options.threads);
  server.setThreadInitCallback([&chat](muduo::net::EventLoop* ioLoop) { chat.onLoop(ioLoop); });
  server.setHttpCallback([&files](const muduo::net::HttpRequest& request, muduo::net::HttpResponse* response) {
    files.serve(request, response);
  });
  server.websocket(
      "/ws/chat",
      [&chat](const wsmuduo::WebSocketConnectionPtr& webSocket, const muduo::StringPiece& data, bool isText,
              muduo::Timestamp when) { chat.onMessage(webSocket, data, isText, when); },
      [&chat](const wsmuduo::WebSocketConnectionPtr& webSocket) { chat.onConnection(webSocket); });
  server.start();
  reserved.reset();

  // The end in three steps: a close frame for every browser, libcurl out of every loop, the loop itself.
  signals.watch(&loop, [&] {
    server.stop(kDrainSeconds, [&] { chat.leaveLoops([&loop] { loop.quit(); }); });
  });
  warnOfPlainKey(options.chat.upstream);
  printReady(options, port);
  loop.loop();
}

}  // namespace
}  // namespace ai_chat

int main(int argc, char** argv) {
  const ai_chat::CommandLine line = ai_chat::parseCommandLine(argc, argv);
  if (line.help) {
    std::fputs(ai_chat::usage().c_str(), stdout);
    return 0;
  }
  if (!line.error.empty()) {
    std::fprintf(stderr, "ai_chat: %s\n\n%s", line.error.c_str(), ai_chat::kUsage);
    return 2;
  }

  std::signal(SIGPIPE, SIG_IGN);
  muduo::Logger::setOutput(ai_chat::logToStderr);
  muduo::Logger::setFlush(ai_chat::flushNothing);
  muduo::Logger::setLogLevel(line.options.verbose ? muduo::Logger::INFO : muduo::Logger::WARN);
  curl_global_init(CURL_GLOBAL_DEFAULT);

  int status = 0;
  try {
    ai_chat::run(line.options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ai_chat: %s\n", error.what());
    status = 1;
  }
  curl_global_cleanup();
  return status;
}
