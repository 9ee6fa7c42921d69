// SPDX-License-Identifier: Apache-2.0
// What is told of an authority and its judgement.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/policy.h"
#include "views/view.h"

namespace crgen {

/// What the tree would be and have, a group after the other; then, if it was judged, the verdict
/// and a line for each cause.
std::string CheckText(const Authority& authority,
                      const std::optional<std::vector<const Claim*>>& beyond,
                      const ViewOptions& options);

/// The same for machines, all of it (CheckSchema()).
std::string CheckJson(const Authority& authority,
                      const std::optional<std::vector<const Claim*>>& beyond);

}  // namespace crgen
