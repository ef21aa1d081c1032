// What the snippets of docs/muduo.md stand on: the headers, and the parts that are the reader's own. Only compiled, never run.

#ifndef TESTS_GUIDE_H
#define TESTS_GUIDE_H

#include "muduo_ws/AttachHttpServer.h"
#include "muduo_ws/HttpServer.h"
#include "muduo_ws/Hub.h"
#include "muduo_ws/ParsedRequest.h"
#include "muduo_ws/StopSignals.h"
#include "muduo_ws/TlsContext.h"
#include "muduo_ws/TlsFilter.h"
#include "muduo_ws/TokenStream.h"
#include "muduo_ws/WebSocketServer.h"

#include <muduo/base/Logging.h>
#include <muduo/base/ThreadPool.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/TcpServer.h>
#include <muduo/net/http/HttpContext.h>
#include <muduo/net/http/HttpRequest.h>
#include <muduo/net/http/HttpResponse.h>
#include <muduo/net/http/HttpServer.h>

#include <curl/curl.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using namespace muduo::net;

extern wsmuduo::WebSocketServer ws;
extern std::shared_ptr<wsmuduo::TlsContext> tlsContext;
extern muduo::ThreadPool workers;

void onHttp(const HttpRequest& request, HttpResponse* response);
void onChat(const wsmuduo::WebSocketConnectionPtr& conn, const muduo::StringPiece& data, bool isText, muduo::Timestamp t);
void onSubscribe(const wsmuduo::WebSocketConnectionPtr& conn, const muduo::StringPiece& data, bool isText, muduo::Timestamp t);

void parseRequests(const TcpConnectionPtr& conn, Buffer* buf, muduo::Timestamp t);
bool parseOneRequest(const TcpConnectionPtr& conn, Buffer* buf);
bool answerOneRequest(Buffer* buf, std::string* answer);

std::string userOfSession(const std::string& session);
std::string currentPrice();

struct Feed {
  void pause();
  void resume();
};
Feed* feedOf(const wsmuduo::WebSocketConnectionPtr& conn);

struct TokenSource {
  explicit TokenSource(const std::string& question);
  bool next(std::string* token);
};

#endif  // TESTS_GUIDE_H
