// SPDX-License-Identifier: Apache-2.0
// What this process was before it confined itself.
#pragma once

namespace crgen {

/// From now on, /proc/self/status of this machine is for each Host what it is at this moment. For
/// who loads a filter of system calls that those for whom it asks do not have.
void KeepOwnStatus();

}  // namespace crgen
