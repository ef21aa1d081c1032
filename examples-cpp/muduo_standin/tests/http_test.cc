// muduo/net/http, with the habits that a WebSocket server on the same port has to live with.
#include "muduo/net/Buffer.h"
#include "muduo/net/http/HttpContext.h"
#include "muduo/net/http/HttpResponse.h"
#include "muduo/net/http/HttpServer.h"
#include "support.h"

#include <atomic>

using namespace muduo;
using namespace muduo::net;
using std::string;
using support::Client;

namespace
{

HttpContext parse(const string& text, bool expected = true)
{
  HttpContext context;
  Buffer buffer;
  buffer.append(text);
  EXPECT_EQ(expected, context.parseRequest(&buffer, Timestamp::now())) << text;
  return context;
}

}  // namespace

TEST(HttpContext, ParsesAHeadInPiecesOfAnySize)
{
  const string head = "GET /chat?room=1&x HTTP/1.1\r\nHost: example\r\nX-Empty:\r\n\r\n";
  for (size_t first = 0; first <= head.size(); ++first)
  {
    HttpContext context;
    Buffer buffer;
    buffer.append(head.substr(0, first));
    ASSERT_TRUE(context.parseRequest(&buffer, Timestamp(1)));
    ASSERT_EQ(first == head.size(), context.gotAll());
    if (!context.gotAll())
    {
      buffer.append(head.substr(first));
      ASSERT_TRUE(context.parseRequest(&buffer, Timestamp(2)));
    }
    ASSERT_TRUE(context.gotAll());
    ASSERT_EQ(0u, buffer.readableBytes());
    const HttpRequest& request = context.request();
    EXPECT_EQ(HttpRequest::kGet, request.method());
    EXPECT_EQ("/chat", request.path());
    EXPECT_EQ("?room=1&x", request.query());
    EXPECT_EQ(HttpRequest::kHttp11, request.getVersion());
    EXPECT_EQ("example", request.getHeader("Host"));
    EXPECT_EQ("", request.getHeader("X-Empty"));
    EXPECT_EQ(2u, request.headers().size());
    // The time of the piece that ended the request line.
    EXPECT_EQ(first >= head.find('\n') + 1 ? 1 : 2, request.receiveTime().microSecondsSinceEpoch());
  }
}

TEST(HttpContext, TakesNothingBehindTheBlankLine)
{
  HttpContext context;
  Buffer buffer;
  buffer.append("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x85pipelined frame");
  ASSERT_TRUE(context.parseRequest(&buffer, Timestamp::now()));
  EXPECT_TRUE(context.gotAll());
  EXPECT_EQ("\x81\x85pipelined frame", buffer.retrieveAllAsString());
}

TEST(HttpContext, HeaderLookUpMindsTheCase)
{
  const HttpContext context = parse("GET / HTTP/1.1\r\nsec-websocket-key: k\r\n\r\n");
  EXPECT_EQ("", context.request().getHeader("Sec-WebSocket-Key"));
  EXPECT_EQ("k", context.request().getHeader("sec-websocket-key"));
}

TEST(HttpContext, ARepeatedHeaderKeepsTheLastValue)
{
  const HttpContext context = parse("GET / HTTP/1.1\r\nA: 1\r\na: 2\r\nA: 3\r\n\r\n");
  EXPECT_EQ("3", context.request().getHeader("A"));
  EXPECT_EQ("2", context.request().getHeader("a"));
}

TEST(HttpContext, TrimsValuesButNotNames)
{
  const HttpContext context = parse("GET / HTTP/1.1\r\nA : \t x y \t\r\nB:z\r\n: nameless\r\n\r\n");
  EXPECT_EQ("x y", context.request().getHeader("A "));
  EXPECT_EQ("z", context.request().getHeader("B"));
  EXPECT_EQ("nameless", context.request().getHeader(""));
}

TEST(HttpContext, ALineWithoutAColonEndsTheHead)
{
  HttpContext context;
  Buffer buffer;
  buffer.append("GET / HTTP/1.1\r\nA: 1\r\nnonsense\r\nB: 2\r\n\r\n");
  ASSERT_TRUE(context.parseRequest(&buffer, Timestamp::now()));
  EXPECT_TRUE(context.gotAll());
  EXPECT_EQ("B: 2\r\n\r\n", buffer.retrieveAllAsString());
}

// No limit but memory: whoever cares has to look before the parser does.
TEST(HttpContext, TakesAHeadOfAnySize)
{
  HttpContext context;
  Buffer buffer;
  const string value(1 << 20, 'v');
  buffer.append("GET /" + string(1 << 20, 'p') + " HTTP/1.1\r\nA: " + value + "\r\n");
  for (int i = 0; i < 10000; ++i) buffer.append("H" + std::to_string(i) + ": x\r\n");
  ASSERT_TRUE(context.parseRequest(&buffer, Timestamp::now()));
  EXPECT_FALSE(context.gotAll());
  buffer.append("\r\n");
  ASSERT_TRUE(context.parseRequest(&buffer, Timestamp::now()));
  EXPECT_TRUE(context.gotAll());
  EXPECT_EQ(10001u, context.request().headers().size());
  EXPECT_TRUE(context.request().getHeader("A") == value);
}

TEST(HttpContext, KnowsFiveMethodsAndTwoVersions)
{
  EXPECT_EQ(HttpRequest::kPost, parse("POST / HTTP/1.1\r\n").request().method());
  EXPECT_EQ(HttpRequest::kHead, parse("HEAD / HTTP/1.1\r\n").request().method());
  EXPECT_EQ(HttpRequest::kPut, parse("PUT / HTTP/1.1\r\n").request().method());
  const HttpContext erase = parse("DELETE / HTTP/1.0\r\n");
  EXPECT_EQ(HttpRequest::kDelete, erase.request().method());
  EXPECT_STREQ("DELETE", erase.request().methodString());
  EXPECT_EQ(HttpRequest::kHttp10, erase.request().getVersion());
  EXPECT_STREQ("UNKNOWN", HttpRequest().methodString());

  for (const char* wrong : {"OPTIONS / HTTP/1.1\r\n", "get / HTTP/1.1\r\n", "GET / HTTP/1.2\r\n", "GET / HTTP/2\r\n",
                            "GET /\r\n", "GET / HTTP/1.1 \r\n", "GET / x HTTP/1.1\r\n", "\r\n", "GET\r\n"})
  {
    parse(wrong, false);
  }
}

TEST(HttpContext, AWrongRequestLineStaysInTheBuffer)
{
  HttpContext context;
  Buffer buffer;
  buffer.append("OPTIONS / HTTP/1.1\r\nA: 1\r\n");
  EXPECT_FALSE(context.parseRequest(&buffer, Timestamp::now()));
  EXPECT_FALSE(context.gotAll());
  EXPECT_EQ("OPTIONS / HTTP/1.1\r\nA: 1\r\n", buffer.retrieveAllAsString());
}

TEST(HttpContext, ParsesTheNextRequestAfterReset)
{
  HttpContext context;
  Buffer buffer;
  buffer.append("GET /a?b HTTP/1.1\r\nA: 1\r\n\r\nPUT /c HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(context.parseRequest(&buffer, Timestamp::now()));
  context.reset();
  EXPECT_FALSE(context.gotAll());
  ASSERT_TRUE(context.parseRequest(&buffer, Timestamp::now()));
  EXPECT_TRUE(context.gotAll());
  EXPECT_EQ(HttpRequest::kPut, context.request().method());
  EXPECT_EQ("/c", context.request().path());
  EXPECT_EQ("", context.request().query());
  EXPECT_TRUE(context.request().headers().empty());
}

TEST(HttpRequest, Swaps)
{
  HttpRequest a, b;
  const string name = "N:v";
  a.addHeader(name.data(), name.data() + 1, name.data() + 3);
  a.setVersion(HttpRequest::kHttp11);
  a.swap(b);
  EXPECT_EQ("v", b.getHeader("N"));
  EXPECT_EQ(HttpRequest::kHttp11, b.getVersion());
  EXPECT_TRUE(a.headers().empty());
}

TEST(HttpResponse, WritesHeadAndBody)
{
  HttpResponse response(false);
  response.setStatusCode(HttpResponse::k200Ok);
  response.setStatusMessage("OK");
  response.addHeader("X-B", "1");
  response.addHeader("X-B", "2");
  response.addHeader("Server", "me");
  response.setContentType("text/plain");
  response.setBody("body");
  Buffer buffer;
  response.appendToBuffer(&buffer);
  EXPECT_EQ(
      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: Keep-Alive\r\n"
      "Content-Type: text/plain\r\nServer: me\r\nX-B: 2\r\n\r\nbody",
      buffer.retrieveAllAsString());

  response.setCloseConnection(true);
  EXPECT_TRUE(response.closeConnection());
  response.appendToBuffer(&buffer);
  EXPECT_EQ(
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nServer: me\r\nX-B: 2\r\n\r\nbody",
      buffer.retrieveAllAsString());
}

// --- HttpServer ---

namespace
{

class HttpServerTest : public ::testing::Test
{
 protected:
  HttpServerTest() : address_(support::freeAddress()), descriptors_(0)
  {
    thread_.run([this] {
      server_.reset(new HttpServer(thread_.loop(), address_, "http"));
      server_->setHttpCallback([](const HttpRequest& request, HttpResponse* response) {
        response->setStatusCode(HttpResponse::k200Ok);
        response->setStatusMessage("OK");
        response->setBody(string(request.methodString()) + " " + request.path() + request.query());
      });
      server_->start();
    });
    descriptors_ = support::openDescriptors();
  }

  ~HttpServerTest() override
  {
    // A debug build of Muduo asserts that no connection is between shutdown() and down when its server goes.
    waitForConnectionsToEnd();
    thread_.run([this] { server_.reset(); });
    thread_.run([] {});
  }

  void waitForConnectionsToEnd()
  {
    EXPECT_TRUE(support::eventually([this] { return support::openDescriptors() <= descriptors_; }));
  }

  static string keepAlive(const string& body)
  {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: Keep-Alive\r\n\r\n" + body;
  }

  static string closing(const string& body) { return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body; }

  void expectAnswer(Client& client, const string& request, const string& answer)
  {
    ASSERT_TRUE(client.send(request));
    EXPECT_EQ(answer, client.receive(answer.size()));
  }

  InetAddress address_;
  size_t descriptors_;
  std::atomic<int> requests_{0};
  support::LoopThread thread_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace

TEST_F(HttpServerTest, AnswersOneRequestAfterTheOther)
{
  Client client(address_);
  expectAnswer(client, "GET /a?b=1 HTTP/1.1\r\n\r\n", keepAlive("GET /a?b=1"));
  expectAnswer(client, "HEAD /c HTTP/1.1\r\nA: 1\r\n\r\n", keepAlive("HEAD /c"));
}

TEST_F(HttpServerTest, AnswersARequestInTwoPieces)
{
  Client client(address_);
  ASSERT_TRUE(client.send("GET /a HTTP/1.1\r\nHo"));
  EXPECT_TRUE(client.staysSilent(50));
  expectAnswer(client, "st: x\r\n\r\n", keepAlive("GET /a"));
}

TEST_F(HttpServerTest, ClosesWhenAskedTo)
{
  Client client(address_);
  ASSERT_TRUE(client.send("GET /a HTTP/1.1\r\nConnection: close\r\n\r\n"));
  EXPECT_EQ(closing("GET /a"), client.receiveToEnd());
}

TEST_F(HttpServerTest, ConnectionCloseMindsTheCase)
{
  Client client(address_);
  expectAnswer(client, "GET /a HTTP/1.1\r\nConnection: Close\r\n\r\n", keepAlive("GET /a"));
  EXPECT_TRUE(client.staysSilent(50));
}

TEST_F(HttpServerTest, Http10ClosesUnlessKeptAlive)
{
  Client kept(address_);
  expectAnswer(kept, "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", keepAlive("GET /a"));
  Client closed(address_);
  ASSERT_TRUE(closed.send("GET /a HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(closing("GET /a"), closed.receiveToEnd());
}

TEST_F(HttpServerTest, RefusesAWrongRequest)
{
  Client client(address_);
  ASSERT_TRUE(client.send("OPTIONS / HTTP/1.1\r\n\r\n"));
  EXPECT_EQ("HTTP/1.1 400 Bad Request\r\n\r\n", client.receiveToEnd());
}

TEST_F(HttpServerTest, AnswersOneRequestARead)
{
  Client client(address_);
  expectAnswer(client, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", keepAlive("GET /1"));
  EXPECT_TRUE(client.staysSilent(50));  // the second one waits for more bytes
  expectAnswer(client, "GET /3 HTTP/1.1\r\n\r\n", keepAlive("GET /2"));
}

TEST_F(HttpServerTest, KeepsTheThirdOfThreeForTwoMoreReads)
{
  Client client(address_);
  const string get = "GET /get HTTP/1.1\r\n\r\n", upgrade = "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
  expectAnswer(client, get + get + upgrade, keepAlive("GET /get"));
  EXPECT_TRUE(client.staysSilent(50));
  expectAnswer(client, "f", keepAlive("GET /get"));
  expectAnswer(client, "r", keepAlive("GET /ws"));
}

// Why a callback cannot answer an upgrade: the answer has a length of 0, and the frames behind it are parsed as
// requests.
TEST_F(HttpServerTest, ACallbackCannotUpgrade)
{
  thread_.run([this] {
    server_->setHttpCallback([this](const HttpRequest&, HttpResponse* response) {
      ++requests_;
      response->setStatusCode(static_cast<HttpResponse::HttpStatusCode>(101));
      response->setStatusMessage("Switching Protocols");
      response->addHeader("Upgrade", "websocket");
    });
  });
  Client client(address_);
  expectAnswer(client, "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
               "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n"
               "Upgrade: websocket\r\n\r\n");
  ASSERT_TRUE(client.send("\x82\x87mask" "payload"));
  EXPECT_TRUE(client.staysSilent(50));
  ASSERT_TRUE(client.send("\x82\x86mask" "line\r\n"));
  EXPECT_EQ("HTTP/1.1 400 Bad Request\r\n\r\n", client.receiveToEnd());
  EXPECT_EQ(1, requests_);
}

// After its last answer it goes on reading and answering, to no one.
TEST_F(HttpServerTest, GoesOnAfterItsLastAnswer)
{
  thread_.run([this] {
    server_->setHttpCallback([this](const HttpRequest&, HttpResponse* response) {
      ++requests_;
      response->setCloseConnection(true);
      response->setStatusCode(HttpResponse::k200Ok);
      response->setStatusMessage("OK");
    });
  });
  Client client(address_);
  ASSERT_TRUE(client.send("GET /1 HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(closing(""), client.receiveToEnd());
  ASSERT_TRUE(client.send("GET /2 HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(support::eventually([this] { return requests_ == 2; }));
}

TEST_F(HttpServerTest, TakesABodyForTheNextRequest)
{
  Client client(address_);
  expectAnswer(client, "POST /p HTTP/1.1\r\nContent-Length: 6\r\n\r\nbody\r\n", keepAlive("POST /p"));
  ASSERT_TRUE(client.send("GET /next HTTP/1.1\r\n\r\n"));
  EXPECT_EQ("HTTP/1.1 400 Bad Request\r\n\r\n", client.receiveToEnd());
}

TEST_F(HttpServerTest, WorksOnSeveralThreads)
{
  const InetAddress address = support::freeAddress();
  std::unique_ptr<HttpServer> server;
  thread_.run([&] {
    server.reset(new HttpServer(thread_.loop(), address, "threads"));
    server->setThreadNum(2);
    server->start();
  });
  descriptors_ = support::openDescriptors();
  for (int i = 0; i < 4; ++i)
  {
    Client client(address);
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_EQ("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n", client.receiveToEnd());  // no callback is set
  }
  waitForConnectionsToEnd();
  thread_.run([&] { server.reset(); });
  thread_.run([] {});
}
