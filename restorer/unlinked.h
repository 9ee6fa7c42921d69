// SPDX-License-Identifier: Apache-2.0
// Files that their names do not reach: made by the supervisor before any process exists, and held.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "dsl/commands.h"
#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// Makes every unlinked file of the program, under its names and at once without them, and opens
/// what the dumper's hard links lead to, all of them where `services->paths` lead; `*services` gets
/// the descriptors. Whatever fails, no name
/// is left and nothing that existed is changed. Empty, or what failed.
std::string MakeUnlinked(const Program& program, Services* services);

/// Removes hard links of the dumper, if they still are what was opened. The tree goes on by now:
/// one that cannot be removed is a warning.
void RemoveLinks(const std::vector<DumpersLink>& links, const TreePaths& paths);

}  // namespace crgen::restorer
