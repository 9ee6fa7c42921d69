// SPDX-License-Identifier: Apache-2.0
// Whose the sockets are that a process makes before it has its ids.
#pragma once

#include "restorer/executor/system.h"

namespace crgen::restorer {

/// After ids have changed for a moment: out of reach again, and dies with its parent.
void StayHidden(const Caller& caller);

/// fchown(2): the owner of the socket itself, also for who shares a port (SO_REUSEPORT).
void GiveTo(const Caller& caller, long fd, const SocketOwner* owner);

/// While it lives the process has the effective ids and groups of `owner`, which the kernel notes
/// for SO_PEERCRED in socketpair(2), listen(2) and connect(2). Real and saved ids stay, and files
/// are looked up with the rights of `fsuid`. Null: nothing changes.
class ActingAs {
 public:
  ActingAs(const Caller& caller, const SocketOwner* owner, uint32_t fsuid);
  void Leave() const;

 private:
  const Caller& caller_;
  const SocketOwner* owner_;
};

}  // namespace crgen::restorer
