// attach: makes a stock muduo::net::HttpServer speak WebSocket, without a change of its type. Opt-in, and brittle.
//
//   wsmuduo::WebSocketServer ws;                       // before the HttpServer, so that it is destroyed after it
//   muduo::net::HttpServer server(&loop, address, "name");
//   ws.websocket("/chat", onChat);
//   wsmuduo::attach(&server, &ws);
//   server.start();
//
// It is brittle because HttpServer has no hook for this: attach() reaches its private members `server_`,
// `onConnection` and `onMessage`, in the one way that the language has for it (access is not checked in an explicit
// instantiation). Where a Muduo has other members, AttachHttpServer.cc does not compile, and says so; leave that file
// out then, nothing else needs it. Tried with Muduo at commit f1fc77e. If you can change one word of your code, write
// wsmuduo::HttpServer instead, see HttpServer.h: it uses public members only.
//
// HTTP is answered by the HttpServer as before, with two differences. Requests that arrive in one read are all
// answered; the HttpServer alone leaves the second one until more bytes come. And when it has shut a connection down,
// what the peer still sends is discarded; alone, it keeps or even answers that, to no one. As before, it takes a body
// for the next request; the adapter never takes one for an upgrade.

#ifndef MUDUO_WS_ATTACHHTTPSERVER_H
#define MUDUO_WS_ATTACHHTTPSERVER_H

#include "muduo_ws/WebSocketServer.h"

namespace muduo {
namespace net {
class HttpServer;
}
}  // namespace muduo

namespace wsmuduo {

/// Puts `ws` in front of `server`, once, before server->start(). Neither is owned; `ws` must outlive `server`. From
/// then on the connection and message callbacks of the HttpServer's TcpServer are the adapter's. Throws
/// std::logic_error when `server` was started already.
void attach(muduo::net::HttpServer* server, WebSocketServer* ws);

}  // namespace wsmuduo

#endif  // MUDUO_WS_ATTACHHTTPSERVER_H
