// SPDX-License-Identifier: Apache-2.0
// cgroup.img: the places that processes and threads are in, by the ids of their sets. Private to
// images/.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "images/proto/cgroup.pb.h"
#include "model/cgroups.h"
#include "model/diagnostics.h"

namespace crgen {

struct CgroupImage {
  std::map<std::uint32_t, std::vector<CgroupPath>> sets;  ///< all with the same hierarchies
  std::set<std::string> threaded;  ///< hierarchies in which a thread may be elsewhere
  /// Parents first, each once; those of `sets` are among them.
  std::vector<CgroupDirectory> directories;
};

/// Reports what is wrong to `diag`; `where` is the place of `entry`.
Result ConvertCgroups(const pb::cgroup_entry& entry, const std::string& where, CgroupImage* image,
                      Diagnostics& diag);

}  // namespace crgen
