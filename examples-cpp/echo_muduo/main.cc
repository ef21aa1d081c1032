// echo_muduo: a Muduo server that answers HTTP and echoes WebSocket messages on one port, in two versions.
//
//   echo_muduo --port P [--threads N] [--route E|A]
//
// Route E is a server as most are: it owns a TcpServer, keeps an HttpContext in each connection's context and parses
// requests in its onMessage. WebSocket comes in with two lines, marked "WebSocket" below.
// Route A is a muduo::net::HttpServer whose type was changed to wsmuduo::HttpServer.

#include "echo_muduo/Listen.h"
#include "muduo_ws/HttpServer.h"
#include "muduo_ws/StopSignals.h"
#include "muduo_ws/WebSocketServer.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/TcpServer.h>
#include <muduo/net/http/HttpContext.h>
#include <muduo/net/http/HttpRequest.h>
#include <muduo/net/http/HttpResponse.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

using namespace muduo;
using namespace muduo::net;

namespace {

const char kPath[] = "/echo";

void onEcho(const wsmuduo::WebSocketConnectionPtr& conn, const StringPiece& data, bool isText, Timestamp) {
  const bool isSent = isText ? conn->send(data) : conn->sendBinary(data);
  if (!isSent) conn->close(1013, "you send faster than you read");
}

void onRequest(const HttpRequest& request, HttpResponse* response) {
  if (request.path() == "/") {
    response->setStatusCode(HttpResponse::k200Ok);
    response->setStatusMessage("OK");
    response->setContentType("text/plain");
    response->setBody("WebSocket echo is at /echo\n");
  } else {
    response->setStatusCode(HttpResponse::k404NotFound);
    response->setStatusMessage("Not Found");
  }
}

/// Route E: a server that existed before WebSocket did.
class Server : muduo::noncopyable {
 public:
  Server(EventLoop* loop, const InetAddress& address, TcpServer::Option option, int threads)
      : server_(loop, address, "echo_muduo", option) {
    server_.setConnectionCallback([this](const TcpConnectionPtr& conn) { onConnection(conn); });
    server_.setMessageCallback([this](const TcpConnectionPtr& conn, Buffer* buf, Timestamp t) { onMessage(conn, buf, t); });
    server_.setThreadNum(threads);
    ws_.websocket(kPath, onEcho);
  }

  void start() { server_.start(); }
  wsmuduo::WebSocketServer& ws() { return ws_; }

 private:
  void onConnection(const TcpConnectionPtr& conn) {
    ws_.onConnection(conn);  // WebSocket
    if (conn->connected()) conn->setContext(HttpContext());
  }

  void onMessage(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime) {
    if (ws_.onMessage(conn, buf, receiveTime)) return;  // WebSocket
    HttpContext* context = boost::any_cast<HttpContext>(conn->getMutableContext());
    if (!context->parseRequest(buf, receiveTime)) {
      conn->send("HTTP/1.1 400 Bad Request\r\n\r\n");
      conn->shutdown();
      return;
    }
    if (context->gotAll()) {
      answer(conn, context->request());
      context->reset();
    }
  }

  void answer(const TcpConnectionPtr& conn, const HttpRequest& request) {
    const string connection = request.getHeader("Connection");
    HttpResponse response(connection == "close" || (request.getVersion() == HttpRequest::kHttp10 && connection != "Keep-Alive"));
    onRequest(request, &response);
    Buffer out;
    response.appendToBuffer(&out);
    conn->send(&out);
    if (response.closeConnection()) conn->shutdown();
  }

  wsmuduo::WebSocketServer ws_;  // WebSocket; before server_, to be destroyed after it
  TcpServer server_;
};

struct Arguments {
  Arguments() : port(-1), threads(0), route('E') {}
  int port;
  int threads;
  char route;
};

int usage(FILE* out, int status) {
  fprintf(out,
          "usage: echo_muduo --port P [--threads N] [--route E|A]\n"
          "  --port P     listen on 127.0.0.1:P; 0 = any free port\n"
          "  --threads N  event loops beside the accepting one (default 0: one loop for all)\n"
          "  --route E    an own TcpServer and HTTP parser with two lines for WebSocket (default)\n"
          "  --route A    wsmuduo::HttpServer in the place of muduo::net::HttpServer\n");
  return status;
}

bool parseNumber(const char* text, int max, int* value) {
  char* end = NULL;
  const long number = strtol(text, &end, 10);
  if (end == text || *end != '\0' || number < 0 || number > max) return false;
  *value = static_cast<int>(number);
  return true;
}

template <typename AnyServer>
void run(EventLoop* loop, AnyServer* server, wsmuduo::WebSocketServer* ws, const ReservedPort& port,
         wsmuduo::StopSignals* signals) {
  signals->watch(loop, [loop, ws]() { ws->stop(loop, 1.0, [loop]() { loop->quit(); }); });
  server->start();
  printf("listening on 127.0.0.1:%d\n", port.port());
  fflush(stdout);
  loop->loop();
}

}  // namespace

int main(int argc, char* argv[]) {
  Arguments arguments;
  const struct option options[] = {{"port", required_argument, NULL, 'p'},  {"threads", required_argument, NULL, 't'},
                                   {"route", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'},
                                   {NULL, 0, NULL, 0}};
  for (int option = 0; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    bool isValid = true;
    if (option == 'h') return usage(stdout, 0);
    if (option == 'p') isValid = parseNumber(optarg, 65535, &arguments.port);
    if (option == 't') isValid = parseNumber(optarg, 64, &arguments.threads);
    if (option == 'r') isValid = strcmp(optarg, "E") == 0 || strcmp(optarg, "A") == 0;
    if (option == 'r' && isValid) arguments.route = optarg[0];
    if (option == '?') return usage(stderr, 2);
    if (!isValid) {
      fprintf(stderr, "error: --%s cannot be \"%s\"\n", option == 'p' ? "port" : option == 't' ? "threads" : "route", optarg);
      return usage(stderr, 2);
    }
  }
  if (arguments.port < 0 || optind < argc) return usage(stderr, 2);

  Logger::setLogLevel(Logger::WARN);
  const ReservedPort port(static_cast<uint16_t>(arguments.port));
  const InetAddress address("127.0.0.1", port.port());
  EventLoop loop;
  wsmuduo::StopSignals signals;  // before any thread
  if (arguments.route == 'A') {
    wsmuduo::HttpServer server(&loop, address, "echo_muduo", port.option());
    server.setHttpCallback(onRequest);
    server.setThreadNum(arguments.threads);
    server.websocket(kPath, onEcho);
    run(&loop, &server, &server.webSocketServer(), port, &signals);
  } else {
    Server server(&loop, address, port.option(), arguments.threads);
    run(&loop, &server, &server.ws(), port, &signals);
  }
  return 0;
}
