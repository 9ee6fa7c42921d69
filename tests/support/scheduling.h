// SPDX-License-Identifier: Apache-2.0
// sched_getattr(2) and sched_setattr(2), which the C library does not have, beside its <sched.h>,
// which the kernel's own header does not bear.
#pragma once

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace crgen::test {

struct Scheduling {
  std::uint32_t size = sizeof(Scheduling);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};
inline constexpr std::uint64_t kResetOnFork = 1;  ///< SCHED_FLAG_RESET_ON_FORK

inline Scheduling SchedulingOf(pid_t pid) {
  Scheduling scheduling;
  syscall(SYS_sched_getattr, pid, &scheduling, sizeof scheduling, 0);
  return scheduling;
}

}  // namespace crgen::test
