#include "muduo_ws/AttachHttpServer.h"

#include <muduo/net/EventLoop.h>
#include <muduo/net/EventLoopThreadPool.h>
#include <muduo/net/TcpServer.h>
#include <muduo/net/http/HttpServer.h>

#include <stdexcept>
#include <type_traits>

namespace wsmuduo {

using muduo::net::Buffer;
using muduo::net::HttpServer;
using muduo::net::TcpConnectionPtr;
using muduo::net::TcpServer;

namespace {

// ---- the private members: names in an explicit instantiation are not checked for access ----

struct Server {
  typedef TcpServer HttpServer::*Type;
  friend Type privateMember(Server);
};

struct OnConnection {
  typedef void (HttpServer::*Type)(const TcpConnectionPtr&);
  friend Type privateMember(OnConnection);
};

struct OnMessage {
  typedef void (HttpServer::*Type)(const TcpConnectionPtr&, Buffer*, muduo::Timestamp);
  friend Type privateMember(OnMessage);
};

/// Defines the function that Tag declares.
template <typename Tag, typename Member, Member kMember>
struct Open {
  static_assert(std::is_same<Member, typename Tag::Type>::value,
                "muduo::net::HttpServer has other private members than wsmuduo::attach was written for (Muduo "
                "f1fc77e): leave AttachHttpServer.cc out, and use wsmuduo::HttpServer");
  friend typename Tag::Type privateMember(Tag) { return kMember; }
};

// When one of these does not compile because there is no such member: as above.
template struct Open<Server, decltype(&HttpServer::server_), &HttpServer::server_>;
template struct Open<OnConnection, decltype(&HttpServer::onConnection), &HttpServer::onConnection>;
template struct Open<OnMessage, decltype(&HttpServer::onMessage), &HttpServer::onMessage>;

// ---- the wrappers ----

void discard(const TcpConnectionPtr&, Buffer* buf, muduo::Timestamp) { buf->retrieveAll(); }

/// The running message callback must not be replaced, since that destroys it: so when it is over.
void discardFromNowOn(const TcpConnectionPtr& conn, Buffer* buf) {
  buf->retrieveAll();
  conn->getLoop()->queueInLoop([conn]() { conn->setMessageCallback(discard); });
}

void onConnection(HttpServer* server, WebSocketServer* ws, const TcpConnectionPtr& conn) {
  ws->onConnection(conn);
  (server->*privateMember(OnConnection()))(conn);
}

/// The HttpServer takes one request at a time. Between two, the next one may be an upgrade.
void onMessage(HttpServer* server, WebSocketServer* ws, const TcpConnectionPtr& conn, Buffer* buf,
               muduo::Timestamp receiveTime) {
  size_t before = 0;
  do {
    if (ws->onMessage(conn, buf, receiveTime)) return;
    before = buf->readableBytes();
    (server->*privateMember(OnMessage()))(conn, buf, receiveTime);
    if (!conn->connected()) return discardFromNowOn(conn, buf);
  } while (buf->readableBytes() > 0 && buf->readableBytes() < before);
}

}  // namespace

void attach(HttpServer* server, WebSocketServer* ws) {
  TcpServer* const tcp = &(server->*privateMember(Server()));
  if (tcp->threadPool()->started()) {
    throw std::logic_error("wsmuduo::attach: the HttpServer \"" + tcp->name() +
                           "\" was started already; call attach() before start()");
  }
  using std::placeholders::_1;
  using std::placeholders::_2;
  using std::placeholders::_3;
  tcp->setConnectionCallback(std::bind(onConnection, server, ws, _1));
  tcp->setMessageCallback(std::bind(onMessage, server, ws, _1, _2, _3));
}

}  // namespace wsmuduo
