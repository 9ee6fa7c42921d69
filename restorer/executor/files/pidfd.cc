#include <fcntl.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

/// pidfd_open(2) and pidfd_getfd(2) set close-on-exec.
void OpenPidfd(const Caller& caller, const OpenOp& open) {
  const long fd = open.created >= 0 ? caller.Must("pidfd_getfd", __NR_pidfd_getfd,
                                                  caller.setup->source_fd, open.created, 0)
                                    : caller.Must("pidfd_open", __NR_pidfd_open, open.target,
                                                  open.thread ? O_EXCL /* PIDFD_THREAD */ : 0);
  Place(caller, fd, open);
  caller.Must("fcntl(F_SETFD)", __NR_fcntl, open.fd, F_SETFD, open.cloexec ? FD_CLOEXEC : 0);
}

}  // namespace crgen::restorer
