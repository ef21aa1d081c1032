// The private members of muduo::net::HttpServer that muduo_ws/AttachHttpServer.cc reaches, and where a request lives.
#include "muduo/net/EventLoopThreadPool.h"
#include "muduo/net/http/HttpContext.h"
#include "muduo/net/http/HttpResponse.h"
#include "muduo/net/http/HttpServer.h"
#include "support.h"

using namespace muduo;
using namespace muduo::net;
using std::string;

namespace
{

// Access is not checked for names in an explicit instantiation.
struct Server
{
  typedef TcpServer HttpServer::*Type;
  friend Type privateMember(Server);
};

struct OnConnection
{
  typedef void (HttpServer::*Type)(const TcpConnectionPtr&);
  friend Type privateMember(OnConnection);
};

struct OnMessage
{
  typedef void (HttpServer::*Type)(const TcpConnectionPtr&, Buffer*, Timestamp);
  friend Type privateMember(OnMessage);
};

template <typename Tag, typename Tag::Type kMember>
struct Open
{
  friend typename Tag::Type privateMember(Tag) { return kMember; }
};

template struct Open<Server, &HttpServer::server_>;
template struct Open<OnConnection, &HttpServer::onConnection>;
template struct Open<OnMessage, &HttpServer::onMessage>;

}  // namespace

// Whoever replaces the connection's context inside the HttpCallback destroys the request that the callback was given,
// and the parser that is used when it returns.
TEST(HttpServerPrivate, TheRequestLivesInTheConnectionsContext)
{
  const InetAddress address = support::freeAddress();
  support::Journal journal;
  support::LoopThread thread;
  std::unique_ptr<HttpServer> server;
  std::weak_ptr<TcpConnection> connection;
  thread.run([&] {
    server.reset(new HttpServer(thread.loop(), address, "http"));
    HttpServer* const http = server.get();
    TcpServer* const tcp = &(http->*privateMember(Server()));
    EXPECT_FALSE(tcp->threadPool()->started());
    tcp->setConnectionCallback([&, http](const TcpConnectionPtr& conn) {
      connection = conn;
      journal.add(conn->connected() ? "up" : "down");
      (http->*privateMember(OnConnection()))(conn);
    });
    tcp->setMessageCallback([&, http](const TcpConnectionPtr& conn, Buffer* buffer, Timestamp time) {
      journal.add("message");
      (http->*privateMember(OnMessage()))(conn, buffer, time);
    });
    http->setHttpCallback([&](const HttpRequest& request, HttpResponse* response) {
      const TcpConnectionPtr conn = connection.lock();
      EXPECT_EQ(&boost::any_cast<HttpContext>(conn->getMutableContext())->request(), &request);
      response->setStatusCode(HttpResponse::k200Ok);
      response->setStatusMessage("OK");
      response->setCloseConnection(true);
    });
    http->start();
    EXPECT_TRUE(tcp->threadPool()->started());
  });
  {
    support::Client client(address);
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_EQ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", client.receiveToEnd());
  }
  ASSERT_TRUE(support::eventually([&] { return journal.has("down"); }));
  EXPECT_EQ("up message down", journal.joined());
  thread.run([&] { server.reset(); });
  thread.run([] {});
}
