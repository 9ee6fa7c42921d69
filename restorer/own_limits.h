// SPDX-License-Identifier: Apache-2.0
// What crrestore changes of its own limits, and that nobody else gets.
#pragma once

#include <sys/resource.h>

namespace crgen::restorer {

/// This process may have as many descriptors as it may at most (RLIMIT_NOFILE), and a file that
/// gets too large (RLIMIT_FSIZE) is an error of the call, EFBIG, not its death by SIGXFSZ. Once,
/// before anything is opened.
void RaiseOwnLimits();

/// RLIMIT_NOFILE as the caller has it: that of processes whose limits are inherited.
rlimit CallersDescriptorLimit();

/// In a process that becomes another program: both are as the caller has them.
void LowerOwnLimits();

}  // namespace crgen::restorer
