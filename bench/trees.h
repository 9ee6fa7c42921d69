// SPDX-License-Identifier: Apache-2.0
// Process trees of any size: the published profiles and harder ones.
#pragma once

#include <span>
#include <string_view>

#include "model/tree.h"

namespace crgen {

struct TreeProfile {
  std::string_view name;
  std::string_view what;
  /// A tree of at most `processes` processes (at least 1), as many as whole jobs of the profile
  /// give. The root is pid 1; pids ascend from there without a gap.
  TreeSnapshot (*make)(int processes);
};

std::span<const TreeProfile> TreeProfiles();

/// nullptr: there is no profile of that name.
const TreeProfile* FindTreeProfile(std::string_view name);

}  // namespace crgen
