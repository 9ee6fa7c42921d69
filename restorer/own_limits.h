// SPDX-License-Identifier: Apache-2.0
// What crrestore changes of its own limits, and that nobody else gets.
#pragma once

#include <sys/resource.h>

#include <string>

namespace crgen::restorer {

/// The limits of the caller that RaiseOwnLimits() raises.
inline constexpr int kRaisedLimits[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_STACK};

/// This process may have as many descriptors, as large files and as much of a stack as it may at
/// most, and a file that gets too large for that (RLIMIT_FSIZE) is an error of the call, EFBIG, not
/// its death by SIGXFSZ. Once, before anything is opened. Of the stack no more than it can use:
/// without a limit, mmap(2) would lay out the memory of what is executed in another way. What is
/// wrong, if the caller lets it have too little; else empty.
std::string RaiseOwnLimits();

/// One of kRaisedLimits as the caller has it: that of processes whose limits are inherited.
rlimit CallersLimit(int resource);

/// In a process that becomes another program: all are as the caller has them.
void LowerOwnLimits();

}  // namespace crgen::restorer
