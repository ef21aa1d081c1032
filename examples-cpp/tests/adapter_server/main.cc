// The server that test_adapter.py runs: every feature of the adapter, on short timeouts, in the shapes that hosts have.
//
//   adapter_server [--threads N] [--loop|--greedy|--parsed|--own-parser] [--tls] [--cut] [--limit BYTES] [--compression]
//                 [--drain S] [--NAME S], where NAME is one of kTimes
//
// Prints "listening on 127.0.0.1:PORT". GET of /events, /streams, /metrics or any other path answers with counters; SIGTERM ends
// it in order.

#include "echo_muduo/Listen.h"
#include "muduo_ws/StopSignals.h"
#include "tests/adapter_server/Commands.h"
#include "tests/adapter_server/Features.h"
#include "tests/adapter_server/Host.h"
#include "tests/adapter_server/Streams.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace {

typedef wsmuduo::WebSocketServer::Options Options;

const struct {
  const char* name;
  double Options::*seconds;
} kTimes[] = {
    {"--handshake", &Options::handshakeTimeoutSeconds}, {"--ping", &Options::pingIntervalSeconds},
    {"--pong", &Options::pongTimeoutSeconds},           {"--idle", &Options::idleTimeoutSeconds},
    {"--close", &Options::closeTimeoutSeconds},         {"--stall", &Options::writeStallSeconds},
    {"--lifetime", &Options::maxLifetimeSeconds},       {"--merge", &Options::tokenMergeSeconds},
};

double Options::*timeOption(const char* argument) {
  for (const auto& time : kTimes) {
    if (strcmp(time.name, argument) == 0) return time.seconds;
  }
  return NULL;
}

}  // namespace

int main(int argc, char* argv[]) {
  int threads = 0;
  Host::Shape shape;
  double drainSeconds = 1;
  Options options;
  options.handshakeTimeoutSeconds = 1;
  options.closeTimeoutSeconds = 1;
  options.writeStallSeconds = 2;
  options.subprotocols.push_back("chat.v2");
  options.subprotocols.push_back("chat.v1");
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
    } else if (strcmp(argv[i], "--parsed") == 0) {
      shape.parsesFirst = true;
    } else if (strcmp(argv[i], "--own-parser") == 0) {
      shape.keepsAllHeaders = true;
    } else if (strcmp(argv[i], "--cut") == 0) {
      shape.cutsInput = true;
    } else if (strcmp(argv[i], "--compression") == 0) {
      options.compression = true;
    } else if (strcmp(argv[i], "--drain") == 0 && i + 1 < argc) {
      drainSeconds = atof(argv[++i]);
    } else if (timeOption(argv[i]) != NULL && i + 1 < argc) {
      const auto seconds = timeOption(argv[i]);
      options.*seconds = atof(argv[++i]);
    } else {
      fprintf(stderr, "error: unknown argument %s\n", argv[i]);
      return 2;
    }
  }

  muduo::Logger::setLogLevel(muduo::Logger::WARN);
  const ReservedPort port(0);
  muduo::net::EventLoop loop;
  wsmuduo::StopSignals signals;  // before any thread
  std::unique_ptr<wsmuduo::WebSocketServer> ws(new wsmuduo::WebSocketServer(options));
  std::unique_ptr<Host> host;
  Commands commands(ws.get());
  Features features(ws.get());
  Streams streams(ws.get());
  const auto destroy = [&]() {
    host.reset();
    ws.reset();
    loop.runAfter(0.2, [&]() { loop.quit(); });
  };
  commands.setDestroy(destroy);
  streams.setDestroy(destroy);
  host.reset(new Host(&loop, muduo::net::InetAddress("127.0.0.1", port.port()), port.option(), threads, shape, ws.get(),
                      [&](const std::string& path) {
                        return path == "/events"    ? features.events()
                               : path == "/streams" ? streams.stats()
                               : path == "/metrics" ? ws->metricsText()
                                                    : commands.stats();
                      }));
  signals.watch(&loop, [&]() {
    if (ws) ws->stop(&loop, drainSeconds, [&]() { loop.quit(); });
  });
  host->start();
  printf("listening on 127.0.0.1:%d\n", port.port());
  fflush(stdout);
  loop.loop();
  host.reset();
  printf("%d ups and %d downs\n", commands.ups(), commands.downs());
  return 0;
}
