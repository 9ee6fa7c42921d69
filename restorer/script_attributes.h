// SPDX-License-Identifier: Apache-2.0
// Part of the script: what processes and threads are given when everything is built.
#pragma once

#include <stdint.h>

namespace crgen::restorer {

/// capset(2) and prctl(2); a capability set is one 64-bit mask.
struct CredentialsState {
  uint32_t uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
  uint64_t inheritable, permitted, effective, bounding, ambient;
  uint32_t securebits;
  bool no_new_privs;
  uint32_t group_count;
  const uint32_t* groups;
};

struct QueuedSignal {
  int32_t signal;
  unsigned char info[128];  ///< siginfo_t
};

struct FilterState {
  uint64_t flags;  ///< seccomp(2)
  uint16_t length;
  const void* program;  ///< struct sock_filter[length]
};

/// sched_attr of sched_setattr(2) and sched_getattr(2): linux/sched/types.h, which cannot stand
/// beside sched.h.
struct SchedulingState {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

struct SignalActionState {
  int32_t signal;
  uint64_t handler, flags, restorer, mask;  ///< the kernel's struct, in this order
};

struct LimitState {
  uint32_t resource;
  uint64_t current, maximum;
};

struct PosixTimerState {
  int32_t id;
  int32_t clock;
  int32_t signal;
  int32_t notify;
  int32_t tid;
  uint64_t value;
  uint64_t interval_seconds, interval_nanoseconds;
  uint64_t left_seconds, left_nanoseconds;
};

struct CgroupMove {
  const char* gate;  ///< its name in the service directory
  const char* name;  ///< of the cgroup, for messages
};
/// The places that the new namespace is to have as roots, then where the process is to be.
struct CgroupsOp {
  const CgroupMove* prefixes;
  uint32_t prefix_count;  ///< 0: no namespace
  const CgroupMove* moves;
  uint32_t count;
};

}  // namespace crgen::restorer
