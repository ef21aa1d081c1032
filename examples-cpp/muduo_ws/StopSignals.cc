#include "muduo_ws/StopSignals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace wsmuduo {

namespace {

sigset_t stopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

int blockAndOpen() {
  const sigset_t signals = stopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  const int descriptor = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor < 0) throw std::runtime_error(std::string("wsmuduo::StopSignals: signalfd: ") + strerror(errno));
  return descriptor;
}

}  // namespace

StopSignals::StopSignals() : descriptor_(blockAndOpen()) {}

StopSignals::~StopSignals() {
  if (channel_) {
    channel_->disableAll();
    channel_->remove();
  }
  ::close(descriptor_);
}

void StopSignals::watch(muduo::net::EventLoop* loop, const std::function<void()>& onSignal) {
  onSignal_ = onSignal;
  channel_.reset(new muduo::net::Channel(loop, descriptor_));
  channel_->setReadCallback([this](muduo::Timestamp) { onReadable(); });
  channel_->enableReading();
}

void StopSignals::onReadable() {
  struct signalfd_siginfo info;
  if (::read(descriptor_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
  const sigset_t signals = stopSignals();
  if (!onSignal_) {  // the second one
    const int number = static_cast<int>(info.ssi_signo);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    raise(number);
    return;
  }
  std::function<void()> onSignal;
  onSignal.swap(onSignal_);
  onSignal();
}

}  // namespace wsmuduo
