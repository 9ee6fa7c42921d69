// SPDX-License-Identifier: Apache-2.0
// Full-screen programs draw their screens again.
#pragma once

#include <sys/types.h>

#include <vector>

#include "restorer/compile.h"

namespace crgen::restorer {

/// SIGWINCH to these groups, as soon as their processes wait for something. One that comes before
/// a process has reached the wait that it was dumped in would not end that wait, and what handlers
/// only take down is looked at when it ends. REQUIRES: everybody runs.
void Redraw(const Script& script, const std::vector<pid_t>& groups);

}  // namespace crgen::restorer
