// SPDX-License-Identifier: Apache-2.0
#include "restorer/executor/socket_owner.h"

#include <sys/prctl.h>

namespace crgen::restorer {

void StayHidden(const Caller& caller) {
  caller.Must("prctl(PR_SET_DUMPABLE)", __NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  DieWithParent(caller);
}

void GiveTo(const Caller& caller, long fd, const SocketOwner* owner) {
  if (owner != nullptr) {
    caller.Must("fchown of a socket", __NR_fchown, fd, owner->fsuid, owner->fsgid);
  }
}

ActingAs::ActingAs(const Caller& caller, const SocketOwner* owner, uint32_t fsuid)
    : caller_(caller), owner_(owner) {
  if (owner == nullptr) return;
  caller.Must("setgroups", __NR_setgroups, owner->group_count, owner->groups);
  caller.Must("setresgid", __NR_setresgid, -1, owner->egid, -1);
  caller.Must("setresuid", __NR_setresuid, -1, owner->euid, -1);
  caller.Must("setfsuid", __NR_setfsuid, fsuid);
}

void ActingAs::Leave() const {
  if (owner_ == nullptr) return;
  const SocketOwner& own = caller_.setup->own;
  caller_.Must("setresuid", __NR_setresuid, -1, own.euid, -1);
  caller_.Must("setresgid", __NR_setresgid, -1, own.egid, -1);
  caller_.Must("setgroups", __NR_setgroups, own.group_count, own.groups);
  StayHidden(caller_);
}

}  // namespace crgen::restorer
