// SPDX-License-Identifier: Apache-2.0
// What this process was before it confined itself.
#pragma once

#include <optional>
#include <string>

namespace crgen {

/// From now on, /proc/self/status of this machine, and what only a child finds out (the lowest
/// oom_score_adj, the lowest bound of memory, securebits), are for each Host what they are at this
/// moment. For who loads a filter of system calls that those for whom it asks do not have, and that
/// makes no processes.
void KeepOwnStatus();
const std::optional<std::string>& KeptStatus();
namespace preflight {
void KeepLowestBound();  // memory.cc
void KeepSecurebits();   // kernel.cc
}  // namespace preflight

/// The lowest oom_score_adj that this process may have: its own, or a lower one that whoever had
/// CAP_SYS_RESOURCE set last (proc(5)). No file says it, so a child tries.
int LowestOomScore();

}  // namespace crgen
