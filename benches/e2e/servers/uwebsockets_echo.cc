// uwebsockets_echo.cc: the echo server on uWebSockets, as its own example is written, without compression.
//
// It prints "listening on 127.0.0.1:PORT" and runs until it is killed.

#include "App.h"

#include <cstdio>

int main() {
  struct PerSocketData {};

  uWS::App()
      .ws<PerSocketData>("/*",
                         {.compression = uWS::DISABLED,
                          .maxPayloadLength = 64 * 1024 * 1024,
                          .idleTimeout = 120,
                          .maxBackpressure = 256 * 1024 * 1024,
                          .message = [](auto *ws, std::string_view message, uWS::OpCode code) { ws->send(message, code); }})
      .listen("127.0.0.1", 0,
              [](us_listen_socket_t *listener) {
                if (!listener) exit(1);
                std::printf("listening on 127.0.0.1:%d\n", us_socket_local_port(0, reinterpret_cast<us_socket_t *>(listener)));
                std::fflush(stdout);
              })
      .run();
}
