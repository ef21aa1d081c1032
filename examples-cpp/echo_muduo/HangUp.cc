#include "echo_muduo/HangUp.h"

#include <pthread.h>
#include <signal.h>

HangUpThread::HangUpThread(const std::function<void()>& onSignal) : isOver_(false) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, NULL);  // inherited by the threads to come: only this one takes the signal
  thread_ = std::thread([this, set, onSignal]() {
    for (int number = 0; sigwait(&set, &number) == 0 && !isOver_;) onSignal();
  });
}

HangUpThread::~HangUpThread() {
  isOver_ = true;
  pthread_kill(thread_.native_handle(), SIGHUP);
  thread_.join();
}
