// SPDX-License-Identifier: Apache-2.0
// The user namespace of the root, and ids that are in it.
// Rules: Linux kernel/user_namespace.c map_write(), kernel/sys.c.
#include <linux/sched.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

/// Why nobody could write that map; empty: it can be written.
std::string BadMap(const IdMap& map) {
  constexpr std::uint64_t kNone = ~std::uint32_t{0};
  if (map.empty()) return "has no range";
  if (map.size() > kMostIdRanges) {
    return "has " + std::to_string(map.size()) + " ranges, expected at most " +
           std::to_string(kMostIdRanges);
  }
  std::size_t text = 0;
  for (const IdRange& range : map) {
    for (const std::uint32_t number : {range.inside, range.outside, range.count}) {
      text += std::to_string(number).size() + 1;
    }
    if (range.count == 0) return "has a range of no id";
    if (range.inside > kNone - range.count || range.outside > kNone - range.count) {
      return "has a range that ends behind 4294967294";
    }
  }
  if (text >= kPageSize)
    return "has " + std::to_string(text) + " bytes as text, expected fewer than 4096";
  for (const auto first : {&IdRange::inside, &IdRange::outside}) {
    IdMap sorted = map;
    std::ranges::sort(sorted, {}, first);
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      const std::uint64_t end = std::uint64_t{sorted[i - 1].*first} + sorted[i - 1].count;
      if (end > sorted[i].*first) return "has " + std::to_string(sorted[i].*first) + " twice";
    }
  }
  return "";
}

}  // namespace

bool Kernel::CheckMaps(const Fork& fork) {
  if (fork.uid_map.empty() && fork.gid_map.empty()) return true;
  if (self_ != kRestorer || !fork.flags.Has(CLONE_NEWUSER)) {
    Violation("EINVAL", "uid_map and gid_map go with CLONE_NEWUSER at the FORK of the root");
    return false;
  }
  for (const auto& [name, map] :
       {std::pair{"uid_map", &fork.uid_map}, std::pair{"gid_map", &fork.gid_map}}) {
    const std::string problem = BadMap(*map);
    if (problem.empty()) continue;
    Violation("EINVAL", std::string(name) + " " + problem);
    return false;
  }
  return true;
}

/// setresuid(2), setresgid(2), setfsuid(2), setgroups(2): of ids that nobody inside has.
bool Kernel::CheckMappedIds(const Creds& creds) {
  if (!user_namespace) return true;
  const auto check = [&](const char* name, const IdMap& map,
                         const std::vector<std::uint32_t>& ids) {
    const auto wrong =
        std::ranges::find_if(ids, [&](std::uint32_t id) { return !IsMapped(map, id); });
    if (wrong == ids.end()) return true;
    Violation("EINVAL", "creds: " + std::string(name) + " " + std::to_string(*wrong) +
                            " is not in the map of the user namespace");
    return false;
  };
  return check("user", user_namespace->uid_map, {creds.uid, creds.euid, creds.suid, creds.fsuid}) &&
         check("group", user_namespace->gid_map,
               {creds.gid, creds.egid, creds.sgid, creds.fsgid}) &&
         check("group", user_namespace->gid_map, creds.groups);
}

}  // namespace crgen::check
