// SPDX-License-Identifier: Apache-2.0
#include "restorer/deadline.h"

#include <sys/time.h>

#include <csignal>

namespace crgen::restorer {
namespace {

constexpr suseconds_t kTick = 200'000;

void SetTimer(suseconds_t period) {
  const itimerval timer = {{0, period}, {0, period}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

Ticks::Ticks() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};  // without SA_RESTART
  sigaction(SIGALRM, &action, nullptr);
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
  SetTimer(kTick);
}

Ticks::~Ticks() { SetTimer(0); }

}  // namespace crgen::restorer
