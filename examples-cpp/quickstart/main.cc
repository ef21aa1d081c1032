#include "muduo_ws/HttpServer.h"
#include "muduo_ws/StopSignals.h"
#include <muduo/net/EventLoop.h>
#include <muduo/net/http/HttpRequest.h>
#include <muduo/net/http/HttpResponse.h>
#include <stdlib.h>
using namespace muduo::net;

const char kPage[] = R"(<!doctype html><title>chat</title><input autofocus placeholder="Say something"><pre></pre>
<script>
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws/chat');
socket.onmessage = (event) => document.querySelector('pre').append(event.data + '\n');
document.querySelector('input').onchange = (event) => { socket.send(event.target.value); event.target.value = ''; };
</script>)";

void onHttp(const HttpRequest& request, HttpResponse* response) {  // as in any Muduo server
  const bool isFound = request.path() == "/";
  response->setStatusCode(isFound ? HttpResponse::k200Ok : HttpResponse::k404NotFound);
  response->setStatusMessage(isFound ? "OK" : "Not Found");
  response->setContentType("text/html; charset=utf-8");
  if (isFound) response->setBody(kPage);
}

int main(int argc, char* argv[]) {
  EventLoop loop;
  wsmuduo::StopSignals signals;  // before any thread starts
  wsmuduo::HttpServer server(&loop, InetAddress("127.0.0.1", argc > 1 ? atoi(argv[1]) : 8000), "quickstart");
  server.setHttpCallback(onHttp);
  server.websocket("/ws/chat", [](const wsmuduo::WebSocketConnectionPtr& conn, const muduo::StringPiece& text, bool,
                                  muduo::Timestamp) {
    conn->send("you said: " + text.as_string());  // here, or later, from any thread
  });
  signals.watch(&loop, [&]() {  // SIGTERM, SIGINT: say 1001 to all, wait up to 5 seconds for what is on its way, end
    server.stop(5, [&]() { loop.quit(); });
  });
  server.setThreadNum(2);
  server.start();
  loop.loop();
}
