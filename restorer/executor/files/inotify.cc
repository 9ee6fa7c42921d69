#include <fcntl.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

void OpenInotify(const Caller& caller, const OpenOp& open) {
  const long fd = caller.Must("inotify_init1", __NR_inotify_init1, open.cloexec ? O_CLOEXEC : 0);
  Place(caller, fd, open);
}

void OpenFanotify(const Caller& caller, const OpenOp& open) {
  const long fd =
      caller.Must("fanotify_init", __NR_fanotify_init, open.init_flags, open.event_flags);
  Place(caller, fd, open);
  caller.Must("fcntl(F_SETFD)", __NR_fcntl, open.fd, F_SETFD, open.cloexec ? FD_CLOEXEC : 0);
}

}  // namespace crgen::restorer
