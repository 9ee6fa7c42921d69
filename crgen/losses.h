// SPDX-License-Identifier: Apache-2.0
// What a plan may leave out of a dump: accepted by name (--without), or all (--partial).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dsl/about.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// One line for each kind that has a name.
std::string LossHelp();

/// "cgroups", "descriptors" …
std::vector<std::string> LossNames();

/// The kinds that `names` name. An unknown name: `*problem` says so.
Result ParseLosses(const std::vector<std::string>& names, std::set<Loss>* losses,
                   std::string* problem);

/// The findings as a user meets them who accepts `losses` (or, `all`, everything): what is left out
/// by that is a warning.
Diagnostics Accept(const Diagnostics& diag, const std::set<Loss>& losses, bool all);

/// What a plan says of itself: the language, the dump, the processor and the vdso that it relies
/// on, the unsupported things of `diag` as left out, the session that the root is in, if that is
/// outside, what a restore is handed over, and the lock that the dump has left. The images are told
/// by BindToImages() (crgen/plan_images.h).
std::shared_ptr<const About> AboutPlan(const Diagnostics& diag, const Snapshot& snapshot);

/// What stands unsupported in `loading` as a comparison with the plan sees it: named by the plan,
/// or not, which is a difference.
Diagnostics CompareLeftOut(const Diagnostics& loading, const About* about);

}  // namespace crgen
