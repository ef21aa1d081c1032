// What a broadcast costs: one room with many members, in several loops.
//
//   hub_bench [MEMBERS [LOOPS [BROADCASTS [BYTES]]]]        10000 4 50 100
//
// The members are raw sockets in a child process, which counts what comes. Two figures: the time from the call of broadcast()
// until the last member has the message (both processes share the machine's cores), and the CPU time that the server takes
// for one delivery, the kernel's part included. Beside it, what the bare send() of the same bytes to the same sockets
// takes.

#include "echo_muduo/Listen.h"
#include "muduo_ws/HttpServer.h"
#include "muduo_ws/Hub.h"

#include <muduo/base/Logging.h>
#include <muduo/net/EventLoop.h>
#include <muduo/net/EventLoopThread.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace {

struct Plan {
  int members;
  int loops;
  int broadcasts;
  int bytes;
};

size_t wireSize(const Plan& plan) { return static_cast<size_t>(plan.bytes) + (plan.bytes < 126 ? 2 : 4); }

double now() {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double cpuSeconds() {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void fail(const char* what) {
  perror(what);
  _exit(1);
}

// ---- the members, in the child ----

int connectMember(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (connect(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0) fail("connect");
  static const char kRequest[] =
      "GET /room HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  if (write(fd, kRequest, sizeof kRequest - 1) != static_cast<ssize_t>(sizeof kRequest - 1)) fail("write");
  char answer[1024];
  const ssize_t got = read(fd, answer, sizeof answer);
  if (got < 12 || memcmp(answer, "HTTP/1.1 101", 12) != 0) fail("the handshake was not accepted");
  return fd;
}

/// Reads until every member has so many bytes more, and says so, as often as it is asked to.
void runMembers(const Plan& plan, uint16_t port, int in, int out) {
  const int poll = epoll_create1(0);
  std::vector<size_t> missing(20000, 0);
  for (int i = 0; i < plan.members; ++i) {
    const int fd = connectMember(port);
    struct epoll_event event;
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (static_cast<size_t>(fd) >= missing.size() || epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  }
  size_t expected = 0;
  if (write(out, "r", 1) != 1) fail("pipe");
  std::vector<char> buffer(65536);
  std::vector<struct epoll_event> events(1024);
  while (read(in, &expected, sizeof expected) == static_cast<ssize_t>(sizeof expected)) {
    size_t left = expected * static_cast<size_t>(plan.members);
    while (left > 0) {
      const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 10000);
      if (ready <= 0) fail("no bytes for ten seconds");
      for (int i = 0; i < ready; ++i) {
        const ssize_t got = read(events[static_cast<size_t>(i)].data.fd, buffer.data(), buffer.size());
        if (got <= 0) fail("a member was dropped");
        left -= static_cast<size_t>(got);
      }
    }
    if (write(out, "d", 1) != 1) fail("pipe");
  }
  _exit(0);
}

// ---- the server ----

class Bench : muduo::noncopyable {
 public:
  Bench(const Plan& plan, int toMembers, int fromMembers) : plan_(plan), to_(toMembers), from_(fromMembers) {}

  /// In a thread of its own, beside the loops.
  void run(wsmuduo::HttpServer* server, wsmuduo::Hub* hub) {
    awaitByte();
    const std::string text(static_cast<size_t>(plan_.bytes), 'x');
    for (int warmUp = 0; warmUp < 3; ++warmUp) {
      expect(1);
      hub->broadcast("room", text);
      awaitByte();
    }
    std::vector<double> times;
    const double cpu = cpuSeconds();
    for (int i = 0; i < plan_.broadcasts; ++i) {
      expect(1);
      const double start = now();
      hub->broadcast("room", text);
      awaitByte();
      times.push_back(now() - start);
    }
    const double deliveries = static_cast<double>(plan_.members) * plan_.broadcasts;
    const double perDelivery = (cpuSeconds() - cpu) / deliveries;
    std::sort(times.begin(), times.end());

    expect(static_cast<size_t>(plan_.broadcasts));  // one behind the other: what is queued meanwhile leaves in one write
    const double burstStart = now();
    const double burstCpu = cpuSeconds();
    for (int i = 0; i < plan_.broadcasts; ++i) hub->broadcast("room", text);
    awaitByte();
    const double burst = now() - burstStart;
    const double perBurst = (cpuSeconds() - burstCpu) / deliveries;

    const double bare = bareSends(server);
    printf("%d members in %d loops, messages of %d bytes\n", plan_.members, plan_.loops, plan_.bytes);
    printf("one broadcast until the last member has it: median %.1f ms, slowest of %zu %.1f ms\n",
           times[times.size() / 2] * 1e3, times.size(), times.back() * 1e3);
    printf("server CPU time a delivery: %.2f us; bare send() %.2f us\n", perDelivery * 1e6, bare * 1e6);
    printf("%d broadcasts in a row: %.0f ms, %.2f us of CPU time a delivery\n", plan_.broadcasts, burst * 1e3, perBurst * 1e6);
    fflush(stdout);
  }

 private:
  void awaitByte() const {
    char byte;
    if (read(from_, &byte, 1) != 1) fail("the members are gone");
  }
  void expect(size_t messages) const {
    const size_t bytes = messages * wireSize(plan_);
    if (write(to_, &bytes, sizeof bytes) != static_cast<ssize_t>(sizeof bytes)) fail("pipe");
  }
  /// The same bytes by one system call a member, from one thread.
  double bareSends(wsmuduo::HttpServer* server) const {
    const std::string wire(wireSize(plan_), 'x');
    std::vector<int> sockets;
    for (int fd = 3; fd < 20000; ++fd) {
      struct sockaddr_in peer;
      socklen_t len = sizeof peer;
      if (getpeername(fd, reinterpret_cast<struct sockaddr*>(&peer), &len) == 0) sockets.push_back(fd);
    }
    const size_t open = server->webSocketServer().connections().size();
    if (sockets.size() != open) fail("not all sockets were found");
    expect(1);
    const double start = cpuSeconds();
    for (int fd : sockets) {
      if (::send(fd, wire.data(), wire.size(), 0) != static_cast<ssize_t>(wire.size())) fail("send");
    }
    const double cpu = cpuSeconds() - start;
    awaitByte();
    return cpu / static_cast<double>(sockets.size());
  }

  const Plan plan_;
  const int to_;
  const int from_;
};

}  // namespace

int main(int argc, char* argv[]) {
  Plan plan = {10000, 4, 50, 100};
  int* const values[] = {&plan.members, &plan.loops, &plan.broadcasts, &plan.bytes};
  for (int i = 1; i < argc && i <= 4; ++i) *values[i - 1] = atoi(argv[i]);
  if (plan.members < 1 || plan.members > 19000 || plan.loops < 1 || plan.broadcasts < 1 || plan.bytes < 0) return 2;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  int toMembers[2];
  int fromMembers[2];
  const ReservedPort port(0);
  if (pipe(toMembers) != 0 || pipe(fromMembers) != 0) fail("pipe");
  muduo::Logger::setOutput([](const char*, int) {});  // the members hang up all at once
  const pid_t child = fork();
  if (child == 0) {
    close(toMembers[1]);
    sleep(1);  // the server listens then
    runMembers(plan, port.port(), toMembers[0], fromMembers[1]);
  }
  close(toMembers[0]);
  close(fromMembers[1]);

  muduo::net::EventLoop loop;
  wsmuduo::WebSocketServer::Options options;
  options.pingIntervalSeconds = 0;
  wsmuduo::HttpServer server(&loop, muduo::net::InetAddress("127.0.0.1", port.port()), "bench", port.option(), options);
  server.setThreadNum(plan.loops);
  wsmuduo::Hub hub(&server.webSocketServer());
  server.websocket("/room").setConnectionCallback([&hub](const wsmuduo::WebSocketConnectionPtr& conn) {
    if (conn->connected()) hub.join(conn, "room");
  });
  server.start();
  Bench bench(plan, toMembers[1], fromMembers[0]);
  std::thread thread([&]() {
    bench.run(&server, &hub);
    close(toMembers[1]);
    server.stop(5, [&]() { loop.quit(); });
  });
  loop.loop();
  thread.join();
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
