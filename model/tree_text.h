// SPDX-License-Identifier: Apache-2.0
// The string notation of process trees: `pid pgid sid marks [children]`.
#pragma once

#include <string>
#include <string_view>

#include "model/diagnostics.h"
#include "model/tree.h"

namespace crgen {

/// Reads one tree, e.g. `1 1 1 [ 3 3 3 r t=4,5 [ 6 6 3 z [] ] ]`. Numbers are below kPidLimit; pids
/// and tids are not 0. Marks: `z` a zombie, `r` a child subreaper, `t=…` further threads.
/// Errors: "Parsing error", at "line N, column N", with what was expected; *out is then empty.
/// Lines are counted from `first_line`. Cost: O(length), no recursion, so any depth.
Result ParseTree(std::string_view text, TreeSnapshot* out, Diagnostics& diag,
                 std::size_t first_line = 1);

}  // namespace crgen
