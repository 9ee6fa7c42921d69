// SPDX-License-Identifier: Apache-2.0
// The cgroups(7) of a plan: directories that are made before any process exists, places of threads,
// and properties. All done from outside, but for the moves of processes.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dsl/commands.h"
#include "preflight/cgroups.h"
#include "restorer/compile.h"
#include "restorer/problem.h"

namespace crgen::restorer {

/// The file through which a process enters a cgroup.
struct CgroupGate {
  int fd = -1;
  std::string name;  ///< of the cgroup, for messages
};

class Cgroups {
 public:
  Cgroups(const Program& program, const CgroupOptions& options)
      : program_(program), options_(options), roots_(program, options) {}

  /// Makes what is missing, with the properties that must precede members, and opens all that
  /// processes enter. What this process's children inherit.
  RestoreProblem Make();
  /// Whether they are left alone.
  bool ignored() const { return options_.mode == CgroupMode::kIgnore; }
  /// Whether the tree gets a cgroup namespace.
  bool has_namespace() const;
  /// The descriptor through which a process enters a directory of the program.
  const CgroupGate& GateOf(const CgroupPath& path) const { return gates_.at(Key(path)); }
  const CgroupGate& PrefixGateOf(const CgroupPath& path) const {
    return gates_.at({path.controllers, roots_.PrefixOf(path.controllers, path.prefix->bytes)});
  }

  /// Threads that are not where their leader is; all have their numbers.
  RestoreProblem MoveThreads(const Script& script) const;
  /// Those of the properties that come when all members are there.
  RestoreProblem SetProperties() const;
  /// Everybody is where the plan says: read back.
  RestoreProblem Check(const Script& script) const;
  /// For processes that are still stopped: they freeze as they are let go, and run nothing.
  std::string Freeze() const;

  /// After a restore that failed, when all its processes are gone: what was made, and what was
  /// changed of others.
  void Remove();
  /// It has succeeded.
  void Close();

 private:
  using Place = std::pair<std::string, std::string>;  ///< controllers, path on this machine
  struct Directory {
    const CgroupDirectory* planned;
    int root;          ///< of its hierarchy
    std::string path;  ///< on this machine
    bool made;
    std::int64_t command;
  };
  /// What a file of a directory was that is not the plan's.
  struct Earlier {
    int root;
    std::string file;
    std::string value;
    FilePermissions perms;
  };

  Place Key(const CgroupPath& path) const {
    return {path.controllers, roots_.PathOf(path.controllers, path.path.bytes)};
  }
  std::string MakeDirectory(const CgroupDirectory& planned, std::int64_t command);
  std::string MakePath(int root, const std::string& controllers, const std::string& path);
  std::string OpenGate(const Place& place);
  std::string SetFirst(const Directory& directory);
  void Remember(const Directory& directory);
  RestoreProblem SetAll(const Directory& directory, bool freezers) const;
  /// Everybody's places, as the plan leaves them.
  std::map<Pid, std::map<std::string, std::string>> PlacesOfAll() const;

  const Program& program_;
  const CgroupOptions options_;
  const CgroupRoots roots_;
  mutable CgroupMounts mounts_;         ///< opened when they are asked for
  std::vector<Directory> directories_;  ///< whose properties are set
  std::vector<std::pair<int, std::string>> made_;
  std::map<Place, CgroupGate> gates_;
  std::vector<Earlier> earlier_;
  std::set<std::string> new_hierarchies_;
};

/// Whether the process that executes `set` enters cgroups.
bool EntersCgroups(const SetAttr& set, const Services& services);
/// How. REQUIRES: it does.
CgroupsOp CgroupsOf(const SetAttr& set, const Services& services, Arena& arena);

}  // namespace crgen::restorer
