// SPDX-License-Identifier: Apache-2.0
// Full-screen programs draw their screens again.
#pragma once

#include "restorer/compile.h"
#include "restorer/terminals.h"

namespace crgen::restorer {

/// SIGWINCH to these groups, as soon as their processes wait for something. One that comes before
/// a process has reached the wait that it was dumped in would not end that wait, and what handlers
/// only take down is looked at when it ends. Those of outside come first: who has a master in the
/// tree then sets the size of the pty, and two signals at once are one to many a line editor.
/// REQUIRES: everybody runs.
void Redraw(const Script& script, const ForegroundGroups& groups);

}  // namespace crgen::restorer
