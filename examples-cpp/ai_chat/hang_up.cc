#include "hang_up.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace ai_chat {

namespace {

int blockAndOpen() {
  sigset_t hangUp;
  sigemptyset(&hangUp);
  sigaddset(&hangUp, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &hangUp, nullptr);
  const int descriptor = ::signalfd(-1, &hangUp, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor < 0) throw std::runtime_error(std::string("signalfd: ") + std::strerror(errno));
  return descriptor;
}

}  // namespace

HangUp::HangUp() : descriptor_(blockAndOpen()) {}

HangUp::~HangUp() {
  if (channel_) {
    channel_->disableAll();
    channel_->remove();
  }
  ::close(descriptor_);
}

void HangUp::watch(muduo::net::EventLoop* loop, std::function<void()> onSignal) {
  channel_ = std::make_unique<muduo::net::Channel>(loop, descriptor_);
  channel_->setReadCallback([this, onSignal = std::move(onSignal)](muduo::Timestamp) {
    signalfd_siginfo info;
    bool any = false;
    while (::read(descriptor_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) any = true;
    if (any) onSignal();
  });
  channel_->enableReading();
}

}  // namespace ai_chat
