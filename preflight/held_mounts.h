// SPDX-License-Identifier: Apache-2.0
// Bind mounts that must be there before the tree is: something is made in them for a moment.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "dsl/commands.h"
#include "preflight/question.h"
#include "preflight/root_view.h"

namespace crgen::preflight {

/// Of which file system a bind mount is.
enum class BindOf : std::uint8_t {
  kGiven,   ///< what the caller gives
  kNew,     ///< one that is made before the tree is
  kInside,  ///< one that only the tree can make
};
/// REQUIRES: bind.IsBind(); `mounts` are all of the program's.
BindOf KindOfBind(const std::vector<Mount>& mounts, const Mount& bind);
/// The mount that `bind` is a bind mount of, as MountBases has it.
const Mount& BaseOf(const std::vector<Mount>& mounts, const Mount& bind);

/// Whether a mount can be copied before it is mounted, and mounted on what is not: since
/// Linux 6.15.
bool CanCopyUnmounted(Host& host);

/// From the root of `base`, which `mount` is, or is a bind mount of, to what an absolute path in
/// `mount` leads to.
std::string BelowBase(const Mount& mount, const Mount& base, std::string_view path);

/// False, and told: nobody can make the unlinked file `path` before the tree is there.
bool CanMakeIn(Context& context, const std::string& path, const RootView& root);

/// Told, if nobody can make what `mount` is of, and take its name away, before the tree is there.
/// REQUIRES: mount.deleted.
void CheckDeletedMount(Context& context, const Mount& mount);

/// The mount that a plan says of a file, if it says one.
Rare<std::uint64_t> MountOf(const File& file);

/// The ids of those in which unlinked files, or links of the dumper, have their folders.
std::set<std::uint64_t> FindHeldBinds(const Program& program, const std::vector<Mount>& mounts);

}  // namespace crgen::preflight
