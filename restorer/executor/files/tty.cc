// SPDX-License-Identifier: Apache-2.0
#include <sys/ioctl.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

/// By who leads a session without a terminal.
void TakeTerminal(const Caller& caller, int32_t fd) {
  caller.Must("ioctl(TIOCSCTTY)", __NR_ioctl, fd, TIOCSCTTY, 0);
}

/// SIGTTOU, which stops who does that from the background, is blocked.
void SetForeground(const Caller& caller, const ForegroundOp& op) {
  caller.Must("ioctl(TIOCSPGRP)", __NR_ioctl, op.fd, TIOCSPGRP, &op.pgid);
}

}  // namespace crgen::restorer
