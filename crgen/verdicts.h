// SPDX-License-Identifier: Apache-2.0
// Who can restore a dump: asked for `why` and `report`.
#pragma once

#include <string>
#include <vector>

#include "crgen/look.h"
#include "dsl/commands.h"
#include "preflight/host.h"
#include "views/why.h"

namespace crgen {

/// The verdicts of CRIU, of crgen, and of the host that has said `facts` (null: of this one),
/// without any option of crrestore but `--root`, on the dump `path`. `*program` gets the one that
/// crgen has for it; empty: there is none.
std::vector<Verdict> AskAll(const Look& look, const std::string& path, const std::string& root,
                            const HostFacts* facts, Program* program);

}  // namespace crgen
