// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {
namespace {

constexpr int64_t kNsecPerSec = 1000000000;
constexpr int64_t kMostSec = INT64_MAX;
constexpr uint64_t kSetTicks = _IOW('T', 0, uint64_t);  // TFD_IOC_SET_TICKS

/// `left` from now, at most as far as time goes.
TimeOp Later(const TimeOp& now, const TimeOp& left) {
  TimeOp sum = {left.sec > kMostSec - now.sec ? kMostSec : now.sec + left.sec,
                now.nsec + left.nsec};
  if (sum.nsec >= kNsecPerSec && sum.sec < kMostSec) {
    sum.nsec -= kNsecPerSec;
    ++sum.sec;
  }
  if (sum.nsec >= kNsecPerSec) sum.nsec = kNsecPerSec - 1;
  return sum;
}

bool IsZero(const TimeOp& time) { return time.sec == 0 && time.nsec == 0; }

}  // namespace

void OpenTimerfd(const Caller& caller, const OpenOp& open) {
  const long fd =
      caller.Must("timerfd_create", __NR_timerfd_create, open.clock, open.cloexec ? O_CLOEXEC : 0);
  Place(caller, fd, open);
}

void SetTimer(const Caller& caller, const TimerOp& timer) {
  // One that repeats stands still from when it has expired until somebody reads it: it has to
  // expire again, else the reader would start nothing.
  const bool expired = timer.ticks != 0 && IsZero(timer.value) && !IsZero(timer.interval);
  TimeOp setting[2] = {timer.interval, expired ? TimeOp{0, 1} : timer.value};
  if (!IsZero(setting[1]) && (timer.flags & TFD_TIMER_ABSTIME) != 0) {
    TimeOp now;
    caller.Must("clock_gettime", __NR_clock_gettime, timer.clock, &now);
    setting[1] = Later(now, setting[1]);
  }
  caller.Must("timerfd_settime", __NR_timerfd_settime, timer.fd, timer.flags, setting, 0);
  if (expired) {
    pollfd wait = {timer.fd, POLLIN, 0};
    while (caller.Try(__NR_poll, &wait, 1, -1) == -EINTR) {
    }
  }
  if (timer.ticks != 0) {
    caller.Must("ioctl(TFD_IOC_SET_TICKS)", __NR_ioctl, timer.fd, kSetTicks, &timer.ticks);
  }
}

}  // namespace crgen::restorer
