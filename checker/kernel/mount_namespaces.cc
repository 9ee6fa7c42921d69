// SPDX-License-Identifier: Apache-2.0
// Several mount namespaces of one tree: mount_namespaces(7), setns(2).
#include "checker/kernel/kernel.h"
#include "checker/kernel/network.h"

namespace crgen::check {

/// It takes CAP_SYS_ADMIN and CAP_SYS_CHROOT, and directories that nobody else has.
bool Kernel::CheckEntering(const EnteredNamespaces& entered) {
  const Task& task = self();
  const MountNamespaces* made = files.Of<RegularFile>().mounts();
  const Rare<EnteredNamespaces>& now = task.attributes->setns;
  if (!tasks[root_].attributes->further_nets.empty() || entered.net) {
    if (!Passes(RefusedEnteringNet(*this, entered))) return false;
    if (entered.mnt == (now ? now->mnt : std::nullopt)) return true;
  }
  if (made == nullptr || !made->Has(entered.mnt)) {
    Violation("EINVAL", entered.mnt
                            ? "setns: no mount has namespace " + std::to_string(*entered.mnt)
                            : "setns: the root has no mounts of its own");
    return false;
  }
  const bool no_rights = task.is_sealed;
  const char* reason = no_rights                 ? "creds or seccomp of the process are set"
                       : !task.threads.empty()   ? "the process has other threads"
                       : task.fs.use_count() > 1 ? "it shares its directories with another process"
                       : task.attributes->fs || task.attributes->mm
                           ? "it has directories, or its executable, by now"
                           : nullptr;
  if (reason == nullptr) return true;
  Violation(no_rights ? "EPERM" : "EINVAL", std::string("setns: ") + reason);
  return false;
}

std::optional<Refusal> Kernel::RefusedMount(std::uint64_t mount, const std::string& path) const {
  const MountNamespaces* made = files.Of<RegularFile>().mounts();
  const Mount* found = made == nullptr ? nullptr : made->Find(mount);
  if (found == nullptr) {
    return Refusal{"EINVAL", "mount " + std::to_string(mount) + " is none of the root's `mounts`"};
  }
  if (!path.starts_with('/')) return std::nullopt;  // which is refused in other words
  const Mount& there = *made->Of(found->namespace_id).MountOf(path);
  if (&there == found) return std::nullopt;
  return Refusal{"ENOENT", path + " leads to mount " + std::to_string(there.id) + ", not " +
                               std::to_string(mount)};
}

/// Where the process looks it up; absent: there is one namespace only.
Rare<std::uint64_t> Kernel::MountOf(const std::string& path) const {
  const MountNamespaces* made = files.Of<RegularFile>().mounts();
  if (made == nullptr || made->size() == 1 || !path.starts_with('/')) return {};
  const Rare<EnteredNamespaces>& entered = executor().attributes->setns;
  return made->Of(entered ? entered->mnt : std::nullopt).MountOf(path)->id;
}

/// Of a file whose command does not say it: `*placed` says it.
bool Kernel::FindItsMount(const std::shared_ptr<const File>& file,
                          std::shared_ptr<const File>* placed) {
  if (file == nullptr) return true;
  return std::visit(
      [&]<typename Body>(const Body& body) {
        if constexpr (requires { body.mount, body.path; }) {
          if (body.mount) return Passes(RefusedMount(*body.mount, body.path.bytes));
          const Rare<std::uint64_t> mount = MountOf(body.path.bytes);
          if (!mount) return true;
          auto copy = std::make_shared<File>(*file);
          std::get<Body>(copy->body).mount = mount;
          *placed = std::move(copy);
        }
        return true;
      },
      file->body);
}

}  // namespace crgen::check
