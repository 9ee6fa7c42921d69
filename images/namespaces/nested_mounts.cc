// SPDX-License-Identifier: Apache-2.0
#include "images/namespaces/nested_mounts.h"

#include <unordered_map>

namespace crgen {

std::vector<bool> FindNested(const std::vector<PlacedMount>& mounts) {
  std::vector<std::vector<std::size_t>> children(mounts.size());
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    (mounts[i].parent ? children[*mounts[i].parent] : open).push_back(i);
  }
  std::unordered_map<std::uint32_t, std::size_t> above;  // by file system, on the way to the root
  std::vector<bool> nested(mounts.size()), entered(mounts.size());
  while (!open.empty()) {
    const std::size_t at = open.back();
    std::size_t& count = above[mounts[at].device];
    if (entered[at]) {
      --count;
      open.pop_back();
      continue;
    }
    entered[at] = true;
    nested[at] = count++ != 0;
    open.insert(open.end(), children[at].begin(), children[at].end());
  }
  return nested;
}

}  // namespace crgen
