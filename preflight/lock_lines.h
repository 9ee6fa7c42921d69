// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace crgen::preflight {

/// /proc/locks of this machine, but for who waits, with who has each lock now: /proc/locks names
/// who has made it, be it that he is gone and others go on with his descriptor; of an OFD lock it
/// names nobody; and it hides what was made by somebody who has no number here.
std::string LinesOfLocks();

/// The same of leases alone, and not of those that /proc/locks hides: any plan asks for them, and
/// to look at all descriptors takes its time.
std::string LinesOfLeases();

}  // namespace crgen::preflight
