// SPDX-License-Identifier: Apache-2.0
// How many descriptors this process, and what it makes, may have.
#pragma once

#include <sys/resource.h>

namespace crgen::restorer {

/// Raises RLIMIT_NOFILE to `needed` if it is lower, the hard limit too where this process may.
/// False: errno says why.
bool AllowDescriptors(rlim_t needed);

}  // namespace crgen::restorer
