// SPDX-License-Identifier: Apache-2.0
// From how a tree is rebuilt to a picture of it.
#pragma once

#include <vector>

#include "generator/tree/analyzer.h"
#include "views/tree_picture.h"

namespace crgen {

/// Every process that `plan`, which rebuilds `tree`, forks, in that order. Who is invented is in
/// the group and session in which it ends.
std::vector<DrawnBirth> BirthsOf(const TreeSnapshot& tree, const TreePlan& plan);

}  // namespace crgen
