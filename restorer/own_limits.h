// SPDX-License-Identifier: Apache-2.0
// What crrestore changes of its own limits, and that nobody else gets.
#pragma once

#include <sys/resource.h>

#include <string>

namespace crgen::restorer {

/// The limits of the caller that RaiseOwnLimits() raises.
inline constexpr int kRaisedLimits[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_STACK, RLIMIT_AS,
                                        RLIMIT_DATA};

/// This process may have as many descriptors, as large files, as much memory and as much of a stack
/// as it may at most; of the stack no more than it can use: without a limit, mmap(2) would lay out
/// the memory of what is executed in another way. A file that gets too large for that
/// (RLIMIT_FSIZE) is an error of the call, EFBIG, not its death by SIGXFSZ; likewise a pipe that
/// nobody reads, EPIPE for SIGPIPE. Whoever has ignored SIGCHLD would have the kernel throw away
/// how a child has ended (wait(2)): it is not ignored. Once, before anything is opened. What is
/// wrong, if the caller lets it have too little; else empty.
std::string RaiseOwnLimits();

/// One of kRaisedLimits as the caller has it: that of processes whose limits are inherited.
rlimit CallersLimit(int resource);

/// In a process that becomes another program: limits and SIGXFSZ are as the caller has them,
/// SIGPIPE ends it as is usual.
void LowerOwnLimits();

}  // namespace crgen::restorer
