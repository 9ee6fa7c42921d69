// SPDX-License-Identifier: Apache-2.0
// Runs a script: starts the root, waits until everything is built, and hands over.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>

#include "restorer/arena.h"
#include "restorer/cgroups.h"
#include "restorer/compile.h"
#include "restorer/left_names.h"
#include "restorer/momentary_name.h"
#include "restorer/restore.h"
#include "restorer/system_v.h"
#include "restorer/user_namespace.h"
#include "restorer/watch.h"

namespace crgen::restorer {

class Supervisor {
 public:
  Supervisor(const Program& program, const Schedule& schedule, HostFiles& files,
             const Cgroups& cgroups, const RestoreOptions& options, const Records& records)
      : program_(program),
        schedule_(schedule),
        files_(files),
        cgroups_(cgroups),
        options_(options),
        board_(records.board),
        names_(records.names) {}

  /// Everything up to running processes. `entered` is called when this process is in the network,
  /// uts and ipc namespaces of the tree, which has no process yet; `ready` when all are ready and
  /// none runs, with the root's number in this process's pid namespace; `running` when all run.
  /// False: it has failed. What the dumper has left outside is there until then. The problem, or
  /// none.
  RestoreProblem Run(std::uint64_t text_size, const std::function<bool()>& entered,
                     const std::function<bool(pid_t root)>& ready,
                     const std::function<bool()>& running);

 private:
  RestoreProblem Build(std::uint64_t text_size, const std::function<bool()>& entered);
  RestoreProblem RunOwnCommands();
  RestoreProblem StartRoot(const Op& op);
  RestoreProblem WaitFor(const Op& op);
  RestoreProblem FindNumbers();
  void ReportDeath() const;
  std::string FindMountNamespaces();

  const Program& program_;
  const Schedule& schedule_;
  HostFiles& files_;
  const Cgroups& cgroups_;
  const RestoreOptions& options_;
  const int board_;  ///< a memfd
  NameRecord names_;
  Arena arena_;
  Script script_;
  std::unique_ptr<Watch> watch_;
  int service_ = -1;
  std::array<int, 2> keeper_ = {-1, -1};
  int source_ = -1;               ///< a pidfd of this process
  std::vector<int> made_;         ///< descriptions for the processes, until they have them
  std::map<FileId, int> groups_;  ///< of them, what it has made itself
  std::vector<std::pair<UnixSocket, int>> name_roots_;  ///< until their names are bound
  std::map<UnlinkedId, std::string> unlinked_;          ///< likewise, by name
  std::vector<DumpersLink> links_;
  std::vector<std::shared_ptr<MountedName>> mounted_names_;
  std::map<std::uint64_t, int> mounts_;  ///< of the tree, by id, of which this has descriptors
  TreePaths paths_;
  std::map<std::optional<std::uint64_t>, std::int32_t> spaces_;  ///< mount namespaces: numbers
  std::vector<int> roots_;                                       ///< of further ones
  NetDescriptors nets_;                                          ///< if it has several
  UserHolder user_;
  SystemV system_v_;
  Terminals terminals_;
  pid_t root_ = 0;
};

}  // namespace crgen::restorer
