// SPDX-License-Identifier: Apache-2.0
// cgroups(7) of this machine: what becomes of those of a program, and how they are reached.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/commands.h"

namespace crgen {

/// CRIU's modes of --manage-cgroups.
enum class CgroupMode : std::uint8_t {
  kIgnore,  ///< everybody stays where the restorer is
  kNone,    ///< directories must be there, and stay as they are
  kProps,   ///< they must be there, and get their properties
  kSoft,    ///< they are made where they are missing, and those that are made get their properties
  kFull,    ///< they are made where they are missing, and all get their properties
  kStrict,  ///< none may be there
};
std::optional<CgroupMode> CgroupModeNamed(std::string_view name);
/// What CgroupModeNamed() knows, the least first.
std::vector<std::string> CgroupModeNames();

struct CgroupOptions {
  CgroupMode mode = CgroupMode::kSoft;
  std::optional<std::string> root;  ///< what the topmost directories become; none: they stay
  std::map<std::string, std::string> roots;  ///< likewise in the hierarchy with that controller
};

/// Where the paths of a program are on this machine.
class CgroupRoots {
 public:
  CgroupRoots(const Program& program, const CgroupOptions& options);
  /// Two roots for one hierarchy; empty: none.
  const std::string& problem() const { return problem_; }
  std::string PathOf(const std::string& controllers, const std::string& path) const;
  /// Of a cgroup namespace.
  std::string PrefixOf(const std::string& controllers, const std::string& prefix) const;

 private:
  struct Hierarchy {
    std::optional<std::string> root;
    std::optional<std::string> prefix;
    std::set<std::string> directories;
  };
  Hierarchy& Of(const std::string& controllers, const CgroupOptions& options);

  std::map<std::string, Hierarchy> hierarchies_;
  std::string problem_;
};

/// The hierarchies of this machine, mounted where nobody sees them. They go with it.
class CgroupMounts {
 public:
  CgroupMounts();
  /// `hierarchies`: what cgroups(7) says of /proc/self/cgroup.
  explicit CgroupMounts(const std::string& hierarchies);
  ~CgroupMounts() { Close(); }
  CgroupMounts(const CgroupMounts&) = delete;
  CgroupMounts& operator=(const CgroupMounts&) = delete;

  /// Whether there is a hierarchy with these controllers and no others. One without controllers
  /// ("name=…") can be made.
  bool Has(const std::string& controllers) const;
  /// Its root directory; -1: errno.
  int Open(const std::string& controllers);
  void Close();

 private:
  std::set<std::vector<std::string>> known_;
  std::map<std::string, int> open_;
};

/// For *at(2) calls: `path` of a hierarchy, from its root directory.
inline std::string BelowRoot(const std::string& path) { return "." + path; }
/// A file in a cgroup, whole; none: errno.
std::optional<std::string> ReadCgroupFile(int root, const std::string& file);

}  // namespace crgen
