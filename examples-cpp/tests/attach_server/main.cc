// The server that the tests of `attach` run: a stock muduo::net::HttpServer that speaks WebSocket on /echo.
//
//   attach_server [--port P] [--threads N]
//
// Prints "listening on 127.0.0.1:PORT". GET /stats answers with the counters; SIGTERM ends it in order.

#include "echo_muduo/Listen.h"
#include "muduo_ws/AttachHttpServer.h"
#include "muduo_ws/StopSignals.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/http/HttpRequest.h>
#include <muduo/net/http/HttpResponse.h>
#include <muduo/net/http/HttpServer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>

using muduo::net::HttpRequest;
using muduo::net::HttpResponse;

namespace {

std::atomic<int> g_requests(0);
std::atomic<int> g_ups(0);

/// A stock HttpServer warns, at any log level, that it listens; "listening on" must be the first line.
void dropLog(const char*, int) {}

void writeLog(const char* text, int len) { fwrite(text, 1, static_cast<size_t>(len), stdout); }

void onEcho(const wsmuduo::WebSocketConnectionPtr& conn, const muduo::StringPiece& data, bool isText,
            muduo::Timestamp) {
  const bool isSent = isText ? conn->send(data) : conn->sendBinary(data);
  if (!isSent) conn->close(1013, "you send faster than you read");
}

void onEchoConnection(const wsmuduo::WebSocketConnectionPtr& conn) {
  if (conn->connected()) ++g_ups;
}

void onRequest(const HttpRequest& request, HttpResponse* response) {
  response->setStatusCode(HttpResponse::k200Ok);
  response->setStatusMessage("OK");
  if (request.path() == "/stats") {
    response->setBody("{\"requests\": " + std::to_string(g_requests) + ", \"ups\": " + std::to_string(g_ups) + "}");
    return;
  }
  ++g_requests;
  if (request.path() == "/") {
    response->setContentType("text/plain");
    response->setBody("WebSocket echo is at /echo\n");
  } else {
    response->setStatusCode(HttpResponse::k404NotFound);
    response->setStatusMessage("Not Found");
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  int wantedPort = 0;
  int threads = 0;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
      wantedPort = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = atoi(argv[++i]);
    } else {
      fprintf(stderr, "error: unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  muduo::Logger::setLogLevel(muduo::Logger::WARN);
  const ReservedPort port(static_cast<uint16_t>(wantedPort));
  muduo::net::EventLoop loop;
  wsmuduo::StopSignals signals;  // before any thread
  wsmuduo::WebSocketServer ws;
  const muduo::net::InetAddress address("127.0.0.1", port.port());
  muduo::net::HttpServer server(&loop, address, "attach_server", port.option());
  server.setHttpCallback(onRequest);
  server.setThreadNum(threads);
  ws.websocket("/echo", onEcho, onEchoConnection);
  wsmuduo::attach(&server, &ws);
  signals.watch(&loop, [&]() { ws.stop(&loop, 1.0, [&]() { loop.quit(); }); });
  muduo::Logger::setOutput(dropLog);
  server.start();
  muduo::Logger::setOutput(writeLog);
  printf("listening on 127.0.0.1:%d\n", port.port());
  fflush(stdout);
  loop.loop();
  return 0;
}
