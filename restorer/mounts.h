// SPDX-License-Identifier: Apache-2.0
// The mount namespace of the tree: what the supervisor makes for it, and what the root does.
#pragma once

#include <sys/mount.h>

#include <cstdint>
#include <string>
#include <vector>

#include "dsl/commands.h"
#include "restorer/compile.h"

namespace crgen::restorer {

/// All that mount_setattr(2) sets of a mount that restores know.
inline constexpr std::uint64_t kAllAttributes =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
    MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW;

/// Whether the supervisor makes the file system of that mount.
bool IsMadeOutside(const Mount& mount);

/// Both give mounts that are mounted nowhere, so that nothing is left when their descriptors, which
/// `*services` gets, are closed. Empty, or what failed.
/// Of the mounts that the caller gives. REQUIRES: this process is still in the caller's mount
/// namespace: no other's mounts can be copied (open_tree(2), EINVAL).
std::string CopyMounts(const Program& program, Services* services);
/// The file systems that are the tree's own, with their content. REQUIRES: this process is in the
/// tree's network and IPC namespaces, to which some file systems belong.
/// tar(1) may stand still for `timeout` seconds; 0: for ever.
std::string MakeFileSystems(const Program& program, unsigned timeout, Services* services);

/// The descriptor of the devpts of `services` that the tree has at /dev/pts; -1: it has the
/// caller's.
int OwnDevpts(const Program& program, const Services& services);

/// A mount namespace with a /proc of the pid namespace that this process is the init of.
std::string MountOwnProc();

/// What the root executes.
MountsOp CompileMounts(const std::vector<Mount>& mounts, const Services& services, Arena& arena);

}  // namespace crgen::restorer
