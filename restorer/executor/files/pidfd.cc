// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

/// pidfd_open(2) sets close-on-exec.
void OpenPidfd(const Caller& caller, const OpenOp& open) {
  constexpr uint32_t kThread = O_EXCL;  // PIDFD_THREAD
  const long fd =
      caller.Must("pidfd_open", __NR_pidfd_open, open.target, open.thread ? kThread : 0);
  Place(caller, fd, open);
  caller.Must("fcntl(F_SETFD)", __NR_fcntl, open.fd, F_SETFD, open.cloexec ? FD_CLOEXEC : 0);
}

void TakeDescriptor(const Caller& caller, const OpenOp& open) {
  const long process = caller.Must("pidfd_open", __NR_pidfd_open, open.target, 0);
  const long fd = caller.Must("pidfd_getfd", __NR_pidfd_getfd, process, open.source, 0);
  caller.Must("close", __NR_close, process);
  if (fd != open.fd) {
    caller.Must("dup3", __NR_dup3, fd, open.fd, open.cloexec ? O_CLOEXEC : 0);
    caller.Must("close", __NR_close, fd);
    return;
  }
  caller.Must("fcntl(F_SETFD)", __NR_fcntl, fd, F_SETFD, open.cloexec ? FD_CLOEXEC : 0);
}

}  // namespace crgen::restorer
