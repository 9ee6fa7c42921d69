// SPDX-License-Identifier: Apache-2.0
// Values of core and mm images that no kernel gives a task, and that none would take: a plan with
// them would fail in the middle of a restore, or hand out rights that the dump does not.
#pragma once

#include <string>

#include "images/proto/core.pb.h"
#include "images/proto/memory.pb.h"
#include "images/proto/seccomp.pb.h"
#include "model/diagnostics.h"

namespace crgen {

/// Reports what is wrong in the part of a process (core_entry.tc); `where` is its place. All that
/// decides about rights must be there: what a plan leaves out would be the restorer's.
void CheckTask(const pb::task_core_entry& task, const std::string& where, Diagnostics& diag);

/// Likewise in the part of one thread; `where` is the place of `core`.
void CheckThread(const pb::core_entry& core, const std::string& where, Diagnostics& diag);

/// Likewise in mm_entry, but for its areas.
void CheckMm(const pb::mm_entry& mm, const std::string& where, Diagnostics& diag);

/// Likewise in the filters of seccomp.img.
void CheckSeccomp(const pb::seccomp_entry& seccomp, Diagnostics& diag);

}  // namespace crgen
