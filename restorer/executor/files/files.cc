// SPDX-License-Identifier: Apache-2.0
#include "restorer/executor/files/files.h"

#include <fcntl.h>

namespace crgen::restorer {

void Place(const Caller& caller, long from, const OpenOp& open) {
  if (from != open.fd) {
    caller.Must("dup3", __NR_dup3, from, open.fd, open.cloexec ? O_CLOEXEC : 0);
    caller.Must("close", __NR_close, from);
  }
  caller.Must("fcntl(F_SETFL)", __NR_fcntl, open.fd, F_SETFL, open.flags);
}

}  // namespace crgen::restorer
