#include "stop_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <utility>

namespace ai_chat {

StopSignals::StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  descriptor_ = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor_ < 0) throw std::runtime_error("signalfd failed");
}

StopSignals::~StopSignals() {
  if (channel_) {
    channel_->disableAll();
    channel_->remove();
  }
  ::close(descriptor_);
}

void StopSignals::watch(muduo::net::EventLoop* loop, std::function<void()> onSignal) {
  channel_ = std::make_unique<muduo::net::Channel>(loop, descriptor_);
  channel_->setReadCallback([this, onSignal = std::move(onSignal)](muduo::Timestamp) {
    signalfd_siginfo info;
    while (::read(descriptor_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) onSignal();
  });
  channel_->enableReading();
}

}  // namespace ai_chat
