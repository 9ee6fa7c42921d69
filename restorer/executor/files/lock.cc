// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/file.h>

#include "restorer/executor/files/files.h"
#include "restorer/executor/socket_owner.h"

namespace crgen::restorer {
namespace {

constexpr uint32_t kPosix = 1, kFlock = 2, kOfd = 4;  // file_lock_entry.flag

/// Without CAP_LEASE outside only the owner of a file gets one.
long SetLease(const Caller& caller, const LockOp& op, int type) {
  if (!caller.setup->user_namespace) return caller.Try(__NR_fcntl, op.fd, F_SETLEASE, type);
  struct statx facts = {};
  caller.Must("statx", __NR_statx, op.fd, "", AT_EMPTY_PATH, STATX_UID, &facts);
  caller.Must("setfsuid", __NR_setfsuid, facts.stx_uid);
  const long result = caller.Try(__NR_fcntl, op.fd, F_SETLEASE, type);
  caller.Must("setfsuid", __NR_setfsuid, caller.setup->own.fsuid);
  StayHidden(caller);
  return result;
}

void SetOne(const Caller& caller, const LockOp& op, const LockState& lock) {
  const char* what = "fcntl(F_SETLEASE)";
  long result;
  if (lock.kind == kFlock) {
    what = "flock";
    result = caller.Try(__NR_flock, op.fd, (lock.type == F_RDLCK ? LOCK_SH : LOCK_EX) | LOCK_NB);
  } else if (lock.kind == kPosix || lock.kind == kOfd) {
    const struct flock range = {lock.type, SEEK_SET, lock.start, lock.length, 0};
    what = lock.kind == kPosix ? "fcntl(F_SETLK)" : "fcntl(F_OFD_SETLK)";
    result = caller.Try(__NR_fcntl, op.fd, lock.kind == kPosix ? F_SETLK : F_OFD_SETLK, &range);
  } else {
    result = SetLease(caller, op, lock.type);
    if (result == -EAGAIN) {
      what = lock.type == F_RDLCK ? "fcntl(F_SETLEASE) (somebody has it open for writing)"
                                  : "fcntl(F_SETLEASE) (somebody else has it open)";
    }
  }
  if (result < 0) caller.Fail(what, result, op.path);
}

}  // namespace

void SetLocks(const Caller& caller, const LockOp& op) {
  for (uint32_t i = 0; i < op.count; ++i) SetOne(caller, op, op.locks[i]);
}

void BreakLease(const Caller& caller, const BreakOp& it) {
  const long fd = caller.Try(__NR_openat, caller.setup->service_fd, it.held,
                             it.flags | O_NONBLOCK | O_CLOEXEC, 0);
  if (fd == -EWOULDBLOCK) return;
  caller.Fail("open (that was to break a lease)", fd < 0 ? fd : -EINVAL, it.path);
}

}  // namespace crgen::restorer
