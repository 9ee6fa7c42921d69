// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/eventfd.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

/// eventfd2(2) takes 32 bits of the counter; the rest is written.
void OpenEventfd(const Caller& caller, const OpenOp& open) {
  constexpr uint64_t kMost = 0xffffffff;
  const uint64_t first = open.counter < kMost ? open.counter : kMost;
  const long fd =
      caller.Must("eventfd2", __NR_eventfd2, first,
                  (open.semaphore ? EFD_SEMAPHORE : 0) | (open.cloexec ? O_CLOEXEC : 0));
  if (const uint64_t rest = open.counter - first; rest != 0) {
    caller.Must("write", __NR_write, fd, &rest, sizeof rest);
  }
  Place(caller, fd, open);
}

}  // namespace crgen::restorer
