// SPDX-License-Identifier: Apache-2.0
// What this process is and may do: what it cannot do, no process that it makes can.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "preflight/host.h"

namespace crgen::preflight {

/// One line of /proc/self/uid_map or gid_map.
struct IdRange {
  std::uint32_t first = 0, outside = 0, count = 0;
};

struct Credentials {
  std::uint32_t uid[4] = {}, gid[4] = {};  ///< real, effective, saved, file system
  std::vector<std::uint32_t> groups;
  std::uint64_t inheritable = 0, permitted = 0, effective = 0, bounding = 0, ambient = 0;
  bool no_new_privs = false;
  unsigned seccomp_filters = 0;
  std::vector<IdRange> uid_map, gid_map;
  bool may_set_groups = true;     ///< /proc/self/setgroups
  unsigned last_capability = 40;  ///< that this kernel has
  int nice = 0;
  int oom_score_adj = 0;

  bool Has(int capability) const { return (effective >> capability & 1) != 0; }
  /// It is in the first user namespace, which alone has the rights over the whole system.
  bool initial_namespace() const;
};

Credentials ReadCredentials(Host& host);

/// PR_SET_MDWE.
bool IsWriteExecuteDenied(Host& host);

/// What `host` lets the processes of this one be.
class OomScores {
 public:
  explicit OomScores(Host& host) : host_(host) {}
  /// The lowest oom_score_adj; asked once.
  int Lowest();

 private:
  Host& host_;
  std::optional<int> lowest_;
};

/// "CAP_SYS_ADMIN".
std::string CapabilityName(int capability);
/// "CAP_KILL, CAP_SETUID" of a mask.
std::string CapabilityNames(std::uint64_t mask);

}  // namespace crgen::preflight
