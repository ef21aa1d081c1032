// A server without HTTP on top of TlsFilter, for what no HTTP server does: it speaks first, before the handshake is
// complete, and answers each message in a later turn of the loop.
//
//   tls_host CERT KEY      prints "listening on 127.0.0.1:PORT"; ends at SIGTERM
//
// To "tls" it answers with protocol and cipher, to "reload" it reads the certificate a hundred times on four threads,
// to "end" it closes; everything else comes back.

#include "echo_muduo/Listen.h"
#include "muduo_ws/StopSignals.h"
#include "muduo_ws/TlsContext.h"
#include "muduo_ws/TlsFilter.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/TcpServer.h>

#include <stdio.h>

#include <thread>
#include <vector>

using muduo::net::TcpConnectionPtr;

namespace {

typedef std::shared_ptr<wsmuduo::TlsFilter> TlsFilterPtr;

void reloadOnThreads(wsmuduo::TlsContext* context) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([context]() {
      for (int j = 0; j < 25; ++j) context->reload();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void answer(const TcpConnectionPtr& conn, const TlsFilterPtr& tls, wsmuduo::TlsContext* context, std::string message) {
  if (message == "end") {
    tls->shutdown();
    tls->send("too late", 8);
    conn->shutdown();
    return;
  }
  if (message == "reload") reloadOnThreads(context);
  if (message == "tls") message = tls->protocol() + " " + tls->cipher();
  tls->send(message.data(), message.size());
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 3) return 2;
  muduo::Logger::setLogLevel(muduo::Logger::WARN);
  wsmuduo::TlsContext context(argv[1], argv[2]);
  const ReservedPort port(0);
  muduo::net::EventLoop loop;
  wsmuduo::StopSignals signals;
  signals.watch(&loop, [&loop]() { loop.quit(); });
  muduo::net::TcpServer server(&loop, muduo::net::InetAddress("127.0.0.1", port.port()), "tls_host", port.option());
  server.setConnectionCallback([&](const TcpConnectionPtr& conn) {
    if (!conn->connected()) return;
    const TlsFilterPtr tls = wsmuduo::TlsFilter::make(context, conn);
    const std::string greeting = "[" + tls->protocol() + "]";  // empty: there is none yet
    tls->send(greeting.data(), greeting.size());
    tls->send("hello", 5);
    conn->setContext(tls);
  });
  server.setMessageCallback([&](const TcpConnectionPtr& conn, muduo::net::Buffer* buf, muduo::Timestamp) {
    const TlsFilterPtr tls = boost::any_cast<TlsFilterPtr>(conn->getContext());
    const std::string message = tls->decrypt(buf)->retrieveAllAsString();
    if (!message.empty()) loop.queueInLoop([=, &context]() { answer(conn, tls, &context, message); });
  });
  server.start();
  printf("listening on 127.0.0.1:%d\n", port.port());
  fflush(stdout);
  loop.loop();
  return 0;
}
