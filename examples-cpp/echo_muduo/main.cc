// echo_muduo: a Muduo server that answers HTTP and echoes WebSocket messages on one port, in two versions.
//
//   echo_muduo --port P [--threads N] [--route E|A] [--tls CERT KEY]
//
// Route E is a server as most are: it owns a TcpServer, keeps an HttpContext in each connection's context and parses
// requests in its onMessage. WebSocket comes in with two lines, marked "WebSocket" below; those for TLS are marked too.
// Route A is a muduo::net::HttpServer whose type was changed to wsmuduo::HttpServer.

#include "echo_muduo/HangUp.h"
#include "echo_muduo/Listen.h"
#include "muduo_ws/HttpServer.h"
#include "muduo_ws/StopSignals.h"
#include "muduo_ws/TlsContext.h"
#include "muduo_ws/TlsFilter.h"
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

#include <exception>
#include <memory>

using namespace muduo;
using namespace muduo::net;

namespace {

const char kPath[] = "/echo";

typedef std::shared_ptr<wsmuduo::TlsContext> TlsContextPtr;

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

  void setTls(const TlsContextPtr& tls) { tls_ = tls; }
  void start() { server_.start(); }
  wsmuduo::WebSocketServer& ws() { return ws_; }

 private:
  struct Client {
    HttpContext http;
    std::shared_ptr<wsmuduo::TlsFilter> tls;  // TLS; NULL without
  };

  void onConnection(const TcpConnectionPtr& conn) {
    ws_.onConnection(conn);  // WebSocket
    if (!conn->connected()) return;
    Client client;
    if (tls_) {  // TLS
      client.tls = wsmuduo::TlsFilter::make(*tls_, conn);
      ws_.setSink(conn, client.tls->sink());
    }
    conn->setContext(client);
  }

  void onMessage(const TcpConnectionPtr& conn, Buffer* buf, Timestamp receiveTime) {
    Client* client = boost::any_cast<Client>(conn->getMutableContext());
    if (!client->tls) {
      onPlaintext(conn, client, buf, receiveTime);
      return;
    }
    Buffer* plain = client->tls->decrypt(buf);  // TLS
    while (plain->readableBytes() > 0 && onPlaintext(conn, client, plain, receiveTime)) {
    }
  }

  /// Takes one request. False: nothing more can be done with what is in the buffer.
  bool onPlaintext(const TcpConnectionPtr& conn, Client* client, Buffer* buf, Timestamp receiveTime) {
    if (ws_.onMessage(conn, buf, receiveTime)) return false;  // WebSocket
    if (!client->http.parseRequest(buf, receiveTime)) {
      buf->retrieveAll();
      send(conn, client, "HTTP/1.1 400 Bad Request\r\n\r\n");
      shutdown(conn, client);
      return false;
    }
    if (!client->http.gotAll()) return false;
    answer(conn, client);
    client->http.reset();
    return true;
  }

  void answer(const TcpConnectionPtr& conn, Client* client) {
    const HttpRequest& request = client->http.request();
    const string connection = request.getHeader("Connection");
    HttpResponse response(connection == "close" || (request.getVersion() == HttpRequest::kHttp10 && connection != "Keep-Alive"));
    onRequest(request, &response);
    Buffer out;
    response.appendToBuffer(&out);
    send(conn, client, out.toStringPiece());
    if (response.closeConnection()) shutdown(conn, client);
  }

  void send(const TcpConnectionPtr& conn, Client* client, const StringPiece& data) {
    if (client->tls) {  // TLS
      client->tls->send(data.data(), static_cast<size_t>(data.size()));
    } else {
      conn->send(data);
    }
  }

  void shutdown(const TcpConnectionPtr& conn, Client* client) {
    if (client->tls) client->tls->shutdown();  // TLS
    conn->shutdown();
  }

  TlsContextPtr tls_;
  wsmuduo::WebSocketServer ws_;  // WebSocket; before server_, to be destroyed after it
  TcpServer server_;
};

struct Arguments {
  Arguments() : port(-1), threads(0), route('E'), certificate(NULL), key(NULL), tlsTimeout(10) {}
  int port;
  int threads;
  char route;
  const char* certificate;
  const char* key;
  int tlsTimeout;
};

int usage(FILE* out, int status) {
  fprintf(out,
          "usage: echo_muduo --port P [--threads N] [--route E|A] [--tls CERT KEY]\n"
          "  --port P     listen on 127.0.0.1:P; 0 = any free port\n"
          "  --threads N  event loops beside the accepting one (default 0: one loop for all)\n"
          "  --route E    an own TcpServer and HTTP parser with two lines for WebSocket (default)\n"
          "  --route A    wsmuduo::HttpServer in the place of muduo::net::HttpServer\n"
          "  --tls CERT KEY   https and wss, with these PEM files; SIGHUP reads them again\n"
          "  --tls-timeout S  seconds for the TLS handshake (default 10)\n");
  return status;
}

bool parseNumber(const char* text, int max, int* value) {
  char* end = NULL;
  const long number = strtol(text, &end, 10);
  if (end == text || *end != '\0' || number < 0 || number > max) return false;
  *value = static_cast<int>(number);
  return true;
}

TlsContextPtr tlsOf(const Arguments& arguments) {
  if (arguments.certificate == NULL) return TlsContextPtr();
  wsmuduo::TlsContext::Options options;
  options.handshakeTimeoutSeconds = arguments.tlsTimeout;
  return std::make_shared<wsmuduo::TlsContext>(arguments.certificate, arguments.key, options);
}

void reload(const TlsContextPtr& tls) {
  try {
    tls->reload();
    printf("the certificate was read again\n");
  } catch (const std::exception& error) {
    printf("the certificate stays as it was: %s\n", error.what());
  }
  fflush(stdout);
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
                                   {"route", required_argument, NULL, 'r'}, {"tls", required_argument, NULL, 'c'},
                                   {"tls-timeout", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'},
                                   {NULL, 0, NULL, 0}};
  int index = 0;
  for (int option = 0; (option = getopt_long(argc, argv, "", options, &index)) != -1;) {
    bool isValid = true;
    if (option == 'h') return usage(stdout, 0);
    if (option == 'p') isValid = parseNumber(optarg, 65535, &arguments.port);
    if (option == 't') isValid = parseNumber(optarg, 64, &arguments.threads);
    if (option == 'd') isValid = parseNumber(optarg, 3600, &arguments.tlsTimeout) && arguments.tlsTimeout > 0;
    if (option == 'r') isValid = strcmp(optarg, "E") == 0 || strcmp(optarg, "A") == 0;
    if (option == 'r' && isValid) arguments.route = optarg[0];
    if (option == 'c' && optind >= argc) return usage(stderr, 2);
    if (option == 'c') {
      arguments.certificate = optarg;
      arguments.key = argv[optind++];
    }
    if (option == '?') return usage(stderr, 2);
    if (!isValid) {
      fprintf(stderr, "error: --%s cannot be \"%s\"\n", options[index].name, optarg);
      return usage(stderr, 2);
    }
  }
  if (arguments.port < 0 || optind < argc) return usage(stderr, 2);

  Logger::setLogLevel(Logger::WARN);
  TlsContextPtr tls;
  try {
    tls = tlsOf(arguments);
  } catch (const std::exception& error) {
    fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  const ReservedPort port(static_cast<uint16_t>(arguments.port));
  const InetAddress address("127.0.0.1", port.port());
  EventLoop loop;
  wsmuduo::StopSignals signals;  // before any thread
  const std::unique_ptr<HangUpThread> hangUps(tls ? new HangUpThread([tls]() { reload(tls); }) : NULL);
  if (arguments.route == 'A') {
    wsmuduo::HttpServer server(&loop, address, "echo_muduo", port.option());
    server.setHttpCallback(onRequest);
    server.setThreadNum(arguments.threads);
    server.websocket(kPath, onEcho);
    server.setTls(tls);
    run(&loop, &server, &server.webSocketServer(), port, &signals);
  } else {
    Server server(&loop, address, port.option(), arguments.threads);
    server.setTls(tls);
    run(&loop, &server, &server.ws(), port, &signals);
  }
  return 0;
}
