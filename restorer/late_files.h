// Which open file description each entry of late state is about.
#pragma once

#include <vector>

#include "dsl/commands.h"
#include "restorer/schedule.h"

namespace crgen::restorer {

/// For each command with `descriptors` the files that its entries name, in order; empty for all
/// others. REQUIRES: the program has passed CheckProgram. Cost: none where there
/// is no late state, else that of copying each table that a FORK copies.
std::vector<std::vector<const File*>> FindLateFiles(const Program& program,
                                                    const Schedule& schedule);

}  // namespace crgen::restorer
