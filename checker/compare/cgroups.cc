// SPDX-License-Identifier: Apache-2.0
// The directories of cgroups of a final state against those of a snapshot.
#include <set>

#include "checker/compare/comparison.h"
#include "checker/compare/difference.h"

namespace crgen::check {

void Comparison::CompareCgroups() {
  std::set<CgroupKey> expected;
  for (const CgroupDirectory& directory : snapshot_.cgroup_directories) {
    const std::string where =
        "cgroup " + Printable(CgroupText(directory.controllers, directory.path.bytes));
    const CgroupKey key = {directory.controllers, directory.path.bytes};
    expected.insert(key);
    const auto found = kernel_.cgroup_directories.find(key);
    if (found == kernel_.cgroup_directories.end()) {
      diag_.Error(where, "expected, does not exist");
      continue;
    }
    Compare(where, "directory", directory, found->second, diag_);
  }
  for (const auto& [key, directory] : kernel_.cgroup_directories) {
    if (expected.contains(key)) continue;
    diag_.Error("cgroup " + Printable(CgroupText(key.first, key.second)), "exists, not expected");
  }
}

}  // namespace crgen::check
