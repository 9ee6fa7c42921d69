// SPDX-License-Identifier: Apache-2.0
// Which open file description each entry of late state is about.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "dsl/commands.h"

namespace crgen::restorer {

/// For each command with `descriptors` the files that its entries name, in order.
using LateFiles = std::unordered_map<std::size_t, std::vector<const File*>>;

/// REQUIRES: the program has passed CheckProgram. Cost: one look at each command where there is no
/// late state, else that of copying each table that a FORK copies.
LateFiles FindLateFiles(const Program& program);

}  // namespace crgen::restorer
