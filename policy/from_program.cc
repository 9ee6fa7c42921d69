// SPDX-License-Identifier: Apache-2.0
// The authority of a program.
#include <linux/sched.h>

#include <algorithm>

#include "checker/final_state.h"
#include "dsl/references.h"
#include "policy/claims.h"

namespace crgen {
namespace policy {
namespace {

class ProgramClaims {
 public:
  explicit ProgramClaims(Authority& authority) : out_(authority), claims_(authority) {}

  void Add(const Program& program, const SimulatedState& state) {
    for (const Command& command : program) {
      pid_ = command.pid;
      std::visit([&](const auto& body) { On(body); }, command.body);
    }
    std::size_t living = 0;
    ForEachFinalProcess(state, [&](const FinalProcess& process) {
      if (process.pid == root_pid_ && process.sid != process.pid) {
        claims_.External("session", "", "the root");
      }
      if (process.zombie) return;
      living += process.threads.size();
      AddProcess(process);
    });
    out_.AddMost(Kind::kProcesses, processes_, "the program");
    out_.AddMost(Kind::kThreads, living, "the program");
    out_.AddMost(Kind::kMemory, mapped_, "the program");
    claims_.Namespaces(root_, new_pid_, outer_pid_ ? &*outer_pid_ : nullptr,
                       user_ ? &*user_ : nullptr);
    const About* about = AboutOf(program);
    if (about != nullptr && about->network_lock && !Claims::IsLockedInside(root_)) {
      claims_.External("network_lock", about->network_lock->table, "the program");
    }
    claims_.Finish();
  }

 private:
  template <typename Body>
  void On(const Body&) {}
  void On(const Fork& fork) {
    ++processes_;
    if (pid_ == 0 && root_pid_ == 0) root_pid_ = fork.child_pid;
    if (fork.pid_namespace) outer_pid_ = fork.pid_namespace;
    const bool root = pid_ == 0;
    if (root && fork.flags.Has(CLONE_NEWPID)) new_pid_ = true;
    if (root && fork.flags.Has(CLONE_NEWUSER)) user_ = {fork.uid_map, fork.gid_map};
    if (root && fork.flags.Has(CLONE_NEWUTS)) root_.uts.emplace();
    if (root && fork.flags.Has(CLONE_NEWIPC)) root_.ipc.emplace();
    if (root && fork.flags.Has(CLONE_NEWNET)) root_.net.emplace();
    // One of another process says nothing of the root's.
    constexpr std::pair<std::uint64_t, std::string_view> kNew[] = {
        {CLONE_NEWNS, "mnt"},    {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWPID, "pid"},
        {CLONE_NEWUSER, "user"}, {CLONE_NEWUTS, "uts"},       {CLONE_NEWIPC, "ipc"},
        {CLONE_NEWNET, "net"}};
    for (const auto& [flag, name] : kNew) {
      const bool told = root && flag != CLONE_NEWNS && flag != CLONE_NEWCGROUP;
      if (told || !fork.flags.Has(flag)) continue;
      out_.Add(Kind::kNamespaces, std::string(name) + ":own",
               [&] { return "process " + std::to_string(fork.child_pid); });
    }
  }
  void On(const OpenFile& open) {
    ForEachOpened(open, [&](Fd fd, const File& file, bool) {
      claims_.Opened(file, [&] { return PlaceOf(fd); });
    });
  }
  void On(const SetAttr& set) {
    const Attributes& attributes = *set.attributes;
    for (const DescriptorState& late : attributes.descriptors) {
      claims_.Late(late.state, [&] { return PlaceOf(late.fd); });
    }
    if (attributes.uts) root_.uts = attributes.uts;
    if (attributes.ipc) root_.ipc = attributes.ipc;
    if (attributes.net) root_.net = attributes.net, root_.further_nets = attributes.further_nets;
    if (attributes.time) root_.time = attributes.time;
    if (!attributes.mounts.empty()) root_.mounts = attributes.mounts;
    if (!attributes.cgroup) return;
    if (!root_.cgroup) root_.cgroup = attributes.cgroup;
    for (const CgroupPath& path : attributes.cgroup->paths) {
      claims_.CgroupPlace(set.tid.value_or(pid_), path);
    }
    for (const CgroupDirectory& it : attributes.cgroup->directories) claims_.CgroupMade(it);
  }
  std::string PlaceOf(Fd fd) const {
    return "fd " + std::to_string(fd) + " of process " + std::to_string(pid_);
  }

  void AddProcess(const FinalProcess& process) {
    const Attributes& own = *process.threads.front().attributes;
    claims_.Process(process.pid, own, nullptr);
    for (const FinalThread& thread : process.threads) {
      claims_.Thread(process.pid, thread.tid, *thread.attributes);
    }
    for (const FinalRegion& region : process.regions) {
      mapped_ += region.range.size();
      MappedPart part = {region.prot, region.kind, region.file, {}, "", region.loaded};
      if (region.kind == RegionKind::kSysvShm) {
        (root_.ipc ? part.loaded : part.outside) = true;
      }
      part.object = region.object;
      part.sealed = IsSealed(region.seals);
      if (region.file != nullptr) part.open_flags = region.file->flags;
      if (region.memfd != nullptr && region.memfd->name) part.memfd = region.memfd->name->bytes;
      claims_.Mapped(process.pid, region.range, part);
    }
    out_.AddMost(Kind::kDescriptors, process.descriptors.size(),
                 "process " + std::to_string(process.pid));
    if (!own.fs) return;
    for (const auto& [fd, file] : process.descriptors) {
      claims_.Held(process.pid, own.fs->root.bytes, fd, *file);
    }
  }

  Authority& out_;
  Claims claims_;
  Pid pid_ = 0, root_pid_ = 0;
  Attributes root_;  ///< what of the whole tree is said
  bool new_pid_ = false;
  std::optional<PidNamespace> outer_pid_;  ///< none: the caller's, or a new one
  std::optional<UserNamespace> user_;      ///< none: the caller's
  std::size_t processes_ = 0;
  std::uint64_t mapped_ = 0;
};

}  // namespace
}  // namespace policy

Authority AuthorityOf(const Program& program, const SimulatedState& state) {
  Authority authority;
  policy::ProgramClaims(authority).Add(program, state);
  return authority;
}

}  // namespace crgen
