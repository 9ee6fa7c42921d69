// SPDX-License-Identifier: Apache-2.0
// Who can restore a dump: asked for `why` and `report`.
#pragma once

#include <string>
#include <vector>

#include "crgen/look.h"
#include "crgen/this_host.h"
#include "dsl/commands.h"
#include "preflight/host.h"
#include "views/why.h"

namespace crgen {

/// One of the two.
struct AskedHost {
  ThisHost* live = nullptr;
  const HostFacts* facts = nullptr;  ///< what another one has said
};

/// The folder whose images decide; empty: an archive has none.
std::string ImagesToAsk(const std::string& dump);

/// The verdicts of CRIU, of crgen, and of the host,
/// without any option of crrestore but `--root`, on the dump `path`. `*program` gets the one that
/// crgen has for it; empty: there is none.
std::vector<Verdict> AskAll(const Look& look, const std::string& path, const std::string& root,
                            const AskedHost& asked, Program* program);

}  // namespace crgen
