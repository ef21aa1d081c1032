// A model's server for the tests: a thread that plays one script for each connection.
#ifndef AI_CHAT_TESTS_SCRIPTED_SERVER_H
#define AI_CHAT_TESTS_SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ai_chat {

class ScriptedServer {
 public:
  class Peer {
   public:
    explicit Peer(int descriptor) : descriptor_(descriptor) {}
    void send(const std::string& bytes) {
      std::size_t sent = 0;
      while (sent < bytes.size()) {
        const ssize_t n = ::send(descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += static_cast<std::size_t>(n);
      }
    }
    // Returns when the other side has closed the connection.
    void awaitClose() {
      char byte = 0;
      while (::recv(descriptor_, &byte, 1, 0) > 0) {
      }
    }
    // Closes with a reset instead of an end.
    void reset() {
      const linger now{1, 0};
      ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

   private:
    const int descriptor_;
  };
  using Script = std::function<void(Peer*)>;

  // The last script is played for all further connections.
  explicit ScriptedServer(std::vector<Script> scripts)
      : scripts_(std::move(scripts)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw std::runtime_error("the test's server cannot listen");
    }
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/v1";
    thread_ = std::thread([this] { serve(); });
  }

  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (connection_ >= 0) ::shutdown(connection_, SHUT_RDWR);
      isOver_ = true;
    }
    thread_.join();
    ::close(listener_);
  }

  const std::string& url() const { return url_; }

  // The bodies of the requests so far.
  std::vector<std::string> requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (std::size_t i = 0;; ++i) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        connection_ = connection;
        if (isOver_) ::shutdown(connection, SHUT_RDWR);
      }
      if (readRequest(connection)) {
        Peer peer(connection);
        scripts_[i < scripts_.size() ? i : scripts_.size() - 1](&peer);
      }
      const std::lock_guard<std::mutex> lock(mutex_);
      ::close(connection);
      connection_ = -1;
    }
  }

  bool readRequest(int connection) {
    std::string text;
    std::size_t head = std::string::npos;
    std::size_t length = 0;
    while (head == std::string::npos || text.size() < head + length) {
      char buffer[4096];
      const ssize_t n = ::recv(connection, buffer, sizeof buffer, 0);
      if (n <= 0) return false;
      text.append(buffer, static_cast<std::size_t>(n));
      if (head != std::string::npos || text.find("\r\n\r\n") == std::string::npos) continue;
      head = text.find("\r\n\r\n") + 4;
      length = std::strtoul(text.c_str() + text.find("Content-Length: ") + 16, nullptr, 10);
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    requests_.push_back(text.substr(head));
    return true;
  }

  const std::vector<Script> scripts_;
  const int listener_;
  std::string url_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  int connection_ = -1;
  bool isOver_ = false;
  std::thread thread_;
};

}  // namespace ai_chat

#endif  // AI_CHAT_TESTS_SCRIPTED_SERVER_H
