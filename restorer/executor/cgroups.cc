// SPDX-License-Identifier: Apache-2.0
// A process enters cgroups, and perhaps a namespace of theirs.
#include <fcntl.h>
#include <linux/sched.h>

#include "restorer/executor/system.h"

namespace crgen::restorer {
namespace {

/// Who writes 0 is moved itself.
void Move(const Caller& caller, const CgroupMove* moves, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const CgroupMove& move = moves[i];
    const long fd = OpenHeld(caller.setup, move.gate, O_WRONLY | O_CLOEXEC);
    if (fd < 0) caller.Fail("open of cgroup.procs", fd, move.name);
    const long written = caller.Try(__NR_write, fd, "0", 1);
    if (written < 0) caller.Fail("write of cgroup.procs", written, move.name);
    caller.Must("close", __NR_close, fd);
  }
}

}  // namespace

/// The root of a namespace is where its first process is when it is made.
void EnterCgroups(const Caller& caller, const CgroupsOp& cgroups) {
  if (cgroups.prefix_count != 0) {
    Move(caller, cgroups.prefixes, cgroups.prefix_count);
    caller.Must("unshare(CLONE_NEWCGROUP)", __NR_unshare, CLONE_NEWCGROUP);
  }
  Move(caller, cgroups.moves, cgroups.count);
}

}  // namespace crgen::restorer
