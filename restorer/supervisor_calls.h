// SPDX-License-Identifier: Apache-2.0
// The supervisor's system calls that a build for tests can make fail.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>

#include <cstdint>

#include "restorer/deadline.h"

namespace crgen::restorer {

/// ptrace(2): 0, or -1 with errno.
template <typename Address, typename Data>
long Ptrace(int request, pid_t tid, Address address, Data data);

/// waitpid(2) with __WALL, through interruptions (Ticks). ETIMEDOUT: it takes too long. ESRCH: it
/// is a leader that has died, and waitpid(2) will not say so while other traced threads of the
/// process are there (delay_group_leader() of the kernel).
pid_t AwaitChild(pid_t pid, int* status, const Deadline& deadline);

/// In the build for tests: whether the next call is the one that is to fail; errno is EIO then.
bool FailsOnPurpose();

long PtraceCall(int request, pid_t tid, std::uint64_t address, std::uint64_t data);

template <typename Address, typename Data>
long Ptrace(int request, pid_t tid, Address address, Data data) {
  return PtraceCall(request, tid, (std::uint64_t)address, (std::uint64_t)data);
}

}  // namespace crgen::restorer
