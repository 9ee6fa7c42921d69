// SPDX-License-Identifier: Apache-2.0
// What crrestore changes of its own limits, and that nobody else gets.
#pragma once

#include <sys/resource.h>

namespace crgen::restorer {

/// This process may have as many descriptors as it may at most (RLIMIT_NOFILE). A file that gets
/// too large (RLIMIT_FSIZE) is an error of the call, EFBIG, not its death by SIGXFSZ; likewise a
/// pipe that nobody reads, EPIPE for SIGPIPE. Whoever has ignored SIGCHLD would have the kernel
/// throw away how a child has ended (wait(2)): it is not ignored. Once, before anything is opened.
void RaiseOwnLimits();

/// RLIMIT_NOFILE as the caller has it: that of processes whose limits are inherited.
rlimit CallersDescriptorLimit();

/// In a process that becomes another program: descriptors and SIGXFSZ are as the caller has them,
/// SIGPIPE ends it as is usual.
void LowerOwnLimits();

}  // namespace crgen::restorer
