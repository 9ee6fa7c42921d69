// SPDX-License-Identifier: Apache-2.0
// What is another in a user namespace of the plan's own.
#include <errno.h>
#include <sys/socket.h>

#include "restorer/executor/socket_owner.h"
#include "restorer/executor/system.h"

namespace crgen::restorer {

/// Until here it has been who made the namespace: its own files in /proc are that user's.
void TakeIds(const Caller& caller) {
  const SocketOwner& own = caller.setup->own;
  caller.Must("setgroups", __NR_setgroups, 0, 0);
  caller.Must("setresgid", __NR_setresgid, own.egid, own.egid, own.egid);
  caller.Must("setresuid", __NR_setresuid, own.euid, own.euid, own.euid);
  StayHidden(caller);
}

void SetBuffer(const Caller& caller, int fd, int option, int32_t value) {
  if (!caller.setup->user_namespace) {
    caller.Must("setsockopt", __NR_setsockopt, fd, SOL_SOCKET, option, &value, sizeof value);
    return;
  }
  Request& request = caller.setup->board->request;
  while (__atomic_exchange_n(&request.busy, 1, __ATOMIC_SEQ_CST) != 0) {
    AwaitChange(caller.setup, &request.busy, 1);
  }
  request.pid = caller.process->pid;
  request.fd = fd;
  request.option = option;
  request.value = value;
  __atomic_store_n(&request.done, 0, __ATOMIC_SEQ_CST);
  Signal(&request.set, 1);
  AwaitChange(caller.setup, &request.done, 0);
  const int32_t error = request.error;
  Signal(&request.busy, 0);
  if (error != 0) caller.Fail("setsockopt, from outside", -error);
}

}  // namespace crgen::restorer
