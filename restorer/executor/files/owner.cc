// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/prctl.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

/// The kernel keeps the ids of who sets the owner (f_modown()): those that the signal is sent with.
/// The saved id stays its own, so that the way back is open.
void SetOwner(const Caller& caller, const OwnerOp& owner) {
  if (owner.signal != 0) {
    caller.Must("fcntl(F_SETSIG)", __NR_fcntl, owner.fd, F_SETSIG, owner.signal);
  }
  if (!owner.has_owner) {  // not even the one that F_SETLEASE has made
    const int32_t nobody[2] = {F_OWNER_TID, 0};
    caller.Must("fcntl(F_SETOWN_EX)", __NR_fcntl, owner.fd, F_SETOWN_EX, nobody);
    return;
  }
  const uint32_t own = caller.setup->own.euid;
  const bool other_ids = owner.uid != own || owner.euid != own;
  if (other_ids) caller.Must("setresuid", __NR_setresuid, owner.uid, owner.euid, own);
  const int32_t target[2] = {owner.type, owner.pid};
  caller.Must("fcntl(F_SETOWN_EX)", __NR_fcntl, owner.fd, F_SETOWN_EX, target);
  if (!other_ids) return;
  caller.Must("setresuid", __NR_setresuid, -1, own, -1);
  caller.Must("setresuid", __NR_setresuid, own, own, own);
  caller.Must("prctl(PR_SET_DUMPABLE)", __NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  DieWithParent(caller);
}

}  // namespace crgen::restorer
