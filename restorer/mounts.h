// The mount namespace of the tree: what the supervisor makes for it, and what the root does.
#pragma once

#include <string>
#include <vector>

#include "dsl/commands.h"
#include "restorer/compile.h"

namespace crgen::restorer {

/// Makes the file systems of the program's mounts, with their content, and copies of the mounts
/// that the caller gives: all of them mounted nowhere, so that nothing is left when their
/// descriptors, which `*services` gets, are closed. Empty, or what failed.
std::string PrepareMounts(const Program& program, Services* services);

/// What the root executes.
MountsOp CompileMounts(const std::vector<Mount>& mounts, const Services& services, Arena& arena);

}  // namespace crgen::restorer
