// SPDX-License-Identifier: Apache-2.0
// What was set is read back before anything runs, from outside: whatever decides about rights must
// be what the plan says, or what the process was to inherit.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "dsl/commands.h"
#include "restorer/compile.h"
#include "restorer/facts.h"
#include "restorer/net_spaces.h"
#include "restorer/outside_ids.h"
#include "restorer/problem.h"
#include "restorer/restore.h"
#include "restorer/tree_paths.h"
#include "restorer/user_namespace.h"

namespace crgen::restorer {

class ReadBack {
 public:
  /// What `program` says of each process and thread. To be made by the process that the root is
  /// going to inherit from, when nothing is left there of its caller (ResetInherited).
  /// `cgroup_namespace`: the tree gets one of its own.
  /// `user`: who holds its user namespace. `nets`: its network namespaces, where it has several.
  ReadBack(const Program& program, bool cgroup_namespace, const UserHolder& user,
           const RestoreOptions& options, const NetDescriptors& nets);

  /// Every thread, which is stopped and has left its answers in registers: the first difference, or
  /// none. Named are process, thread, field, what is planned and what was found. `paths`: where
  /// those of the program lead to; `unlinked`: descriptors of what none leads to.
  RestoreProblem Check(const Script& script, const TreePaths& paths,
                       const std::map<UnlinkedId, std::string>& unlinked);

 private:
  struct PlannedThread {
    ThreadFacts facts;
    std::uint32_t shared_filters = 0;  ///< its first ones, which it gives to all other threads
  };
  struct Directory {
    std::string path;  ///< in this process's own root, or in that of the namespace
    std::optional<UnlinkedId> unlinked = {};
  };
  struct Directories {
    Directory cwd, root;
  };
  /// Where those of the program are.
  struct Where {
    const TreePaths& paths;
    const std::map<UnlinkedId, std::string>& unlinked;
  };
  struct PlannedProcess {
    ProcessFacts facts;
    Pid filtering = 0;                         ///< the thread that gives filters to all others
    std::optional<std::uint64_t> mnt, net;     ///< namespaces; absent: the root's
    std::shared_ptr<Directories> directories;  ///< several processes' with CLONE_FS
  };
  struct Place {
    std::uint64_t device = 0, inode = 0, mount = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };

  void PlanOwned(const Program& program, const RestoreOptions& options);
  void Plan(Pid pid, const Fork& fork);
  void Plan(Pid pid, const SetAttr& set);
  void PlanIds(const Creds& creds, ThreadFacts& facts) const;
  void PlanThread(const Attributes& attributes, PlannedThread& thread) const;
  static void PlanProcess(const Attributes& attributes, PlannedProcess& process);
  class Comparison;
  void CompareNamespaces(pid_t pid, bool is_root, const PlannedProcess& planned,
                         const TreePaths& paths, Comparison& comparison);
  void CompareUser(pid_t root, Comparison& comparison) const;
  void CompareThread(const ThreadStart& start, ThreadFacts found, Comparison& comparison) const;
  void CompareProcess(const ThreadStart& start, const ProcessFacts& found, const Where& where,
                      Comparison& comparison);
  /// By the path as this process has it.
  static std::optional<Place> PlaceOf(const std::string& path);

  using Namespaces = std::array<std::uint64_t, kNamespaces.size()>;

  ThreadFacts own_thread_;
  Namespaces own_namespaces_ = {}, root_namespaces_ = {};
  const bool cgroup_namespace_;
  const UserHolder& user_;
  const OutsideIds ids_;
  const NetDescriptors& nets_;
  std::vector<const char*> owned_;  ///< namespaces that are to belong to that user namespace
  bool own_mounts_ = false;         ///< the tree has a mount namespace of its own
  PlannedProcess own_process_;
  std::unordered_map<Pid, PlannedThread> threads_;  ///< by tid, as the program has it
  std::unordered_map<Pid, PlannedProcess> processes_;
  std::map<std::string, std::optional<Place>> places_;
};

}  // namespace crgen::restorer
