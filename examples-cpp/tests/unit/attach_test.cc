// attach() itself; what an attached server does is tested over sockets.
#include "muduo_ws/AttachHttpServer.h"

#include <muduo/net/EventLoop.h>
#include <muduo/net/http/HttpServer.h>

#include <gtest/gtest.h>

#include <string>

TEST(Attach, ComesBeforeStart) {
  muduo::net::EventLoop loop;
  wsmuduo::WebSocketServer ws;
  muduo::net::HttpServer server(&loop, muduo::net::InetAddress("127.0.0.1", 0), "late");
  wsmuduo::attach(&server, &ws);
  server.start();
  try {
    wsmuduo::attach(&server, &ws);
    FAIL() << "it was accepted";
  } catch (const std::logic_error& error) {
    EXPECT_EQ("wsmuduo::attach: the HttpServer \"late\" was started already; call attach() before start()",
              std::string(error.what()));
  }
}
