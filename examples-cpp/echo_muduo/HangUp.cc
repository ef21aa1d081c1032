#include "echo_muduo/HangUp.h"

#include <pthread.h>
#include <signal.h>

HangUpThread::HangUpThread(const std::function<void()>& onSignal) : isOver_(false) {
  sigset_t hangUp;
  sigemptyset(&hangUp);
  sigaddset(&hangUp, SIGHUP);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by this thread: it takes no other signal
  thread_ = std::thread([this, hangUp, onSignal]() {
    for (int number = 0; sigwait(&hangUp, &number) == 0 && !isOver_;) onSignal();
  });
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_sigmask(SIG_BLOCK, &hangUp, NULL);  // inherited by the threads to come: no other takes this one
}

HangUpThread::~HangUpThread() {
  isOver_ = true;
  pthread_kill(thread_.native_handle(), SIGHUP);
  thread_.join();
}
