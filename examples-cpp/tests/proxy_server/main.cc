// The server behind the proxies of test_proxies.py.
//
//   proxy_server [--name NAME] [--ping SECONDS] [--threads N]
//
// Prints "listening on 127.0.0.1:PORT", and "closed CODE REASON" for each WebSocket that ends. GET / answers with NAME. On
// /ws/chat, "name" is answered with NAME, "header FIELD" with that field of the handshake, "close CODE REASON" by closing;
// any other message comes back. SIGTERM ends it in order.

#include "echo_muduo/Listen.h"
#include "muduo_ws/HttpServer.h"
#include "muduo_ws/StopSignals.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/http/HttpRequest.h>
#include <muduo/net/http/HttpResponse.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sstream>
#include <string>

using namespace muduo::net;

namespace {

const double kDrainSeconds = 5;

std::string serverName = "one";  // written before the loops start

void onHttp(const HttpRequest& request, HttpResponse* response) {
  const bool isFound = request.path() == "/";
  response->setStatusCode(isFound ? HttpResponse::k200Ok : HttpResponse::k404NotFound);
  response->setStatusMessage(isFound ? "OK" : "Not Found");
  response->setBody(isFound ? serverName : "there is no " + request.path());
}

void onMessage(const wsmuduo::WebSocketConnectionPtr& conn, const muduo::StringPiece& data, bool isText, muduo::Timestamp) {
  std::istringstream words(isText && data.size() < 200 ? data.as_string() : std::string());
  std::string command;
  std::string argument;
  words >> command >> argument;
  if (command == "name") {
    conn->send(serverName);
  } else if (command == "header") {
    conn->send(conn->header(argument));
  } else if (command == "close") {
    std::string reason;
    getline(words >> std::ws, reason);
    conn->close(static_cast<uint16_t>(atoi(argument.c_str())), reason);
  } else if (isText) {
    conn->send(data);
  } else {
    conn->sendBinary(data);
  }
}

void onConnection(const wsmuduo::WebSocketConnectionPtr& conn) {
  if (conn->connected()) return;
  printf("closed %d %s\n", conn->closeCode(), conn->closeReason().c_str());
  fflush(stdout);
}

}  // namespace

int main(int argc, char* argv[]) {
  int threads = 0;
  wsmuduo::WebSocketServer::Options options;
  for (int i = 1; i < argc; i += 2) {
    const char* const value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--name") == 0) {
      serverName = value;
    } else if (strcmp(argv[i], "--ping") == 0) {
      options.pingIntervalSeconds = atof(value);
    } else if (strcmp(argv[i], "--threads") == 0) {
      threads = atoi(value);
    } else {
      fprintf(stderr, "error: unknown argument %s\n", argv[i]);
      return 2;
    }
  }

  muduo::Logger::setLogLevel(muduo::Logger::WARN);
  const ReservedPort port(0);
  EventLoop loop;
  wsmuduo::StopSignals signals;
  wsmuduo::HttpServer server(&loop, InetAddress("127.0.0.1", port.port()), "proxy_server", port.option(), options);
  server.setHttpCallback(onHttp);
  server.setThreadNum(threads);
  server.websocket("/ws/chat", onMessage, onConnection);
  signals.watch(&loop, [&]() { server.stop(kDrainSeconds, [&]() { loop.quit(); }); });
  server.start();
  printf("listening on 127.0.0.1:%d\n", port.port());
  fflush(stdout);
  loop.loop();
  return 0;
}
