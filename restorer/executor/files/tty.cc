// SPDX-License-Identifier: Apache-2.0
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

/// By who leads a session without a terminal.
void TakeTerminal(const Caller& caller, int32_t fd) {
  caller.Must("ioctl(TIOCSCTTY)", __NR_ioctl, fd, TIOCSCTTY, 0);
}

namespace {

/// A child that has died, and is not waited for yet, has its number still.
void BearZombie(const Caller& caller, int32_t pid) {
  clone_args arguments = {};
  arguments.set_tid = (uint64_t)&pid;
  arguments.set_tid_size = 1;
  const long result =
      AwaitNumber([&] { return caller.Try(__NR_clone3, &arguments, sizeof arguments); });
  if (result < 0) caller.Fail("clone3", result);
  if (result == 0) RawCall(__NR_exit_group, 0);
}

}  // namespace

/// SIGTTOU, which stops who does that from the background, is blocked.
void SetForeground(const Caller& caller, const ForegroundOp& op) {
  const long result = caller.Try(__NR_ioctl, op.fd, TIOCSPGRP, &op.pgid);
  if (result >= 0) return;
  if (result != -ESRCH) caller.Fail("ioctl(TIOCSPGRP)", result);
  BearZombie(caller, op.pgid);
  caller.Must("ioctl(TIOCSPGRP)", __NR_ioctl, op.fd, TIOCSPGRP, &op.pgid);
  unsigned char info[128];
  caller.Must("waitid", __NR_waitid, P_PID, op.pgid, info, WEXITED | __WALL, 0);
}

}  // namespace crgen::restorer
