// The server that test_adapter.py runs: every feature of the adapter, on short timeouts, in the shapes that hosts have.
//
//   adapter_server [--threads N] [--loop|--greedy] [--tls] [--limit BYTES]
//
// Prints "listening on 127.0.0.1:PORT". GET of any path answers with the counters; SIGTERM ends it in order.

#include "echo_muduo/Listen.h"
#include "muduo_ws/StopSignals.h"
#include "tests/adapter_server/Commands.h"
#include "tests/adapter_server/Host.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char* argv[]) {
  int threads = 0;
  Host::Shape shape;
  wsmuduo::WebSocketServer::Options options;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--loop") == 0) {
      shape.asksForEachRequest = true;
    } else if (strcmp(argv[i], "--greedy") == 0) {
      shape.isGreedy = true;
    } else if (strcmp(argv[i], "--tls") == 0) {
      shape.hasTls = true;
    } else if (strcmp(argv[i], "--limit") == 0 && i + 1 < argc) {
      options.maxBufferedAmount = static_cast<size_t>(atol(argv[++i]));
      options.highWaterMark = options.maxBufferedAmount / 2;
      options.lowWaterMark = options.maxBufferedAmount / 4;
    } else {
      fprintf(stderr, "error: unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  options.handshakeTimeoutSeconds = 1;
  options.closeTimeoutSeconds = 1;
  options.writeStallSeconds = 2;
  options.subprotocols.push_back("chat.v2");
  options.subprotocols.push_back("chat.v1");

  muduo::Logger::setLogLevel(muduo::Logger::WARN);
  const ReservedPort port(0);
  muduo::net::EventLoop loop;
  wsmuduo::StopSignals signals;  // before any thread
  std::unique_ptr<wsmuduo::WebSocketServer> ws(new wsmuduo::WebSocketServer(options));
  std::unique_ptr<Host> host;
  Commands commands(ws.get());
  commands.setDestroy([&]() {
    host.reset();
    ws.reset();
    loop.runAfter(0.2, [&]() { loop.quit(); });
  });
  host.reset(new Host(&loop, muduo::net::InetAddress("127.0.0.1", port.port()), port.option(), threads, shape, ws.get(),
                      [&](const std::string&) { return commands.stats(); }));
  signals.watch(&loop, [&]() {
    if (ws) ws->stop(&loop, 1.0, [&]() { loop.quit(); });
  });
  host->start();
  printf("listening on 127.0.0.1:%d\n", port.port());
  fflush(stdout);
  loop.loop();
  host.reset();
  printf("%d ups and %d downs\n", commands.ups(), commands.downs());
  return 0;
}
