// SPDX-License-Identifier: Apache-2.0
#include "preflight/held_mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "dsl/references.h"
#include "model/mount_paths.h"
#include "model/printable.h"
#include "preflight/fixed_arguments.h"

namespace crgen::preflight {
namespace {

void TellNoCopies(Context& context, const std::string& wanted) {
  context.findings.Wrong("this kernel copies nothing that is mounted nowhere: " + wanted,
                         "restore on Linux 6.15 or later");
}

}  // namespace

bool CanCopyUnmounted(Host& host) {
  const auto can = host.Number(FactKind::kKernel, "a copy of what is mounted nowhere", [] {
    const long context = syscall(SYS_fsopen, kFixedArguments.tmpfs, FSOPEN_CLOEXEC);
    if (context < 0) return 0;
    syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    const long mount = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    close(static_cast<int>(context));
    if (mount < 0) return 0;
    const long copy =
        syscall(SYS_open_tree, mount, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    close(static_cast<int>(mount));
    if (copy >= 0) close(static_cast<int>(copy));
    return copy >= 0 ? 1 : 0;
  });
  return can.value_or(1) != 0;
}

const Mount& BaseOf(const std::vector<Mount>& mounts, const Mount& bind) {
  return *std::ranges::find_if(mounts, [&](const Mount& it) {
    return it.superblock == bind.superblock && !it.IsBind() &&
           IsBelow(bind.root.bytes, it.root.bytes);
  });
}

std::string BelowBase(const Mount& mount, const Mount& base, std::string_view path) {
  std::string below(PathBelow(mount.root.bytes, base.root.bytes));
  const std::string_view rest = PathBelow(path, mount.mountpoint.bytes);
  if (!below.empty() && !rest.empty()) below += '/';
  return below.append(rest);
}

BindOf KindOfBind(const std::vector<Mount>& mounts, const Mount& bind) {
  const Mount& base = BaseOf(mounts, bind);
  if (!base.IsNew()) return BindOf::kGiven;
  const bool inside = base.fstype == "proc" || base.fstype == "cgroup" || base.fstype == "cgroup2";
  return inside ? BindOf::kInside : BindOf::kNew;
}

bool CanMakeIn(Context& context, const std::string& path, const RootView& root) {
  if (root.IsOwn() || !path.starts_with('/')) return true;
  const Mount& mount = *root.MountOf(path.substr(0, path.rfind('/') + 1));
  if (!mount.IsBind() && mount.fstype != "proc") return true;
  const BindOf kind = mount.IsBind() ? KindOfBind(*context.mounts, mount) : BindOf::kInside;
  const std::string name = "the unlinked file " + Printable(path);
  if (kind == BindOf::kInside || context.user) {
    context.findings.Unsupported(name + kMadeInside);
  } else if (kind == BindOf::kNew && !CanCopyUnmounted(context.host)) {
    TellNoCopies(context, name + " is in a bind mount");
  } else {
    return true;
  }
  return false;
}

void CheckDeletedMount(Context& context, const Mount& mount) {
  const std::string name = "the mount of an unlinked file at " + Printable(mount.mountpoint.bytes);
  if (context.user || KindOfBind(*context.mounts, mount) == BindOf::kInside) {
    context.findings.Unsupported(name + ", whose file system only the tree can make");
  } else if (!CanCopyUnmounted(context.host)) {
    TellNoCopies(context, name);
  }
}

Rare<std::uint64_t> MountOf(const File& file) {
  return std::visit(
      [](const auto& body) -> Rare<std::uint64_t> {
        if constexpr (requires { body.mount; }) return body.mount;
        return {};
      },
      file.body);
}

std::set<std::uint64_t> FindHeldBinds(const Program& program, const std::vector<Mount>& mounts) {
  const MountNamespaces namespaces(mounts);
  std::set<std::uint64_t> held;
  const auto add = [&](const Text& path, const Rare<std::uint64_t>& in) {
    if (!path.bytes.starts_with('/')) return;
    const Mount* known = in ? namespaces.Find(*in) : nullptr;
    const MountPaths& paths = namespaces.Of(known ? known->namespace_id : std::nullopt);
    const Mount& mount = *paths.MountOf(path.bytes.substr(0, path.bytes.rfind('/') + 1));
    if (mount.IsBind()) held.insert(mount.id);
  };
  for (const Command& command : program) {
    if (const auto* open = std::get_if<OpenFile>(&command.body)) {
      ForEachOpened(*open, [&](Fd, const File& file, bool) {
        if (const auto name = UnlinkedOf(file)) add(*name->path, MountOf(file));
        if (const auto name = LinkedOf(file)) {
          add(*name->path, MountOf(file));
          add(*name->link, MountOf(file));
        }
      });
    } else if (const auto* set = std::get_if<SetAttr>(&command.body)) {
      const auto& mm = set->attributes->mm;
      if (!mm || !mm->exe_opened_by) continue;
      add(mm->exe, mm->exe_mount);
      add(*mm->exe_opened_by, mm->exe_mount);
    }
  }
  return held;
}

}  // namespace crgen::preflight
