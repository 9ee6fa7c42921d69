// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

void OpenSignalfd(const Caller& caller, const OpenOp& open) {
  const long fd = caller.Must("signalfd4", __NR_signalfd4, -1, &open.mask, sizeof open.mask,
                              open.cloexec ? O_CLOEXEC : 0);
  Place(caller, fd, open);
}

}  // namespace crgen::restorer
