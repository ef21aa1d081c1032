// A user's server, as small as it can be: HTTP and an echo on one port. consumer PORT

#include <muduo_ws/AttachHttpServer.h>
#include <muduo_ws/WebSocketServer.h>

#include <muduo/net/EventLoop.h>
#include <muduo/net/http/HttpServer.h>

#include <stdlib.h>

int main(int argc, char* argv[]) {
  const int port = argc > 1 ? atoi(argv[1]) : 0;
  muduo::net::EventLoop loop;
  wsmuduo::WebSocketServer ws;
  muduo::net::HttpServer server(&loop, muduo::net::InetAddress("127.0.0.1", static_cast<uint16_t>(port)), "consumer");
  ws.websocket("/echo", [](const wsmuduo::WebSocketConnectionPtr& conn, const muduo::StringPiece& data, bool,
                           muduo::Timestamp) { conn->send(data); });
  wsmuduo::attach(&server, &ws);
  server.start();
  loop.loop();
  return 0;
}
