// SPDX-License-Identifier: Apache-2.0
#include "checker/files/inotify.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <string>
#include <unordered_set>

#include "checker/files/watched.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {

std::optional<Refusal> FileRules<Inotify>::Check(const File& file, const Inotify&) const {
  return RefusedAnonymousFlags(file.flags, O_RDONLY);
}

std::optional<Refusal> LateRules<InotifyWatches>::Check(const Kernel& kernel,
                                                        const Description& description,
                                                        const InotifyWatches& watches) {
  if (auto refused = RefusedForType<Inotify>(description)) return refused;
  // What inotify_add_watch(2) keeps; other flags are for its way to the inode.
  constexpr std::uint64_t kKept = IN_ALL_EVENTS | IN_EXCL_UNLINK | std::uint64_t{IN_ONESHOT};
  if (watches.watches.empty()) return Refusal{"EINVAL", "there is nothing to watch"};
  std::unordered_set<std::int32_t> numbers;
  std::unordered_set<std::string> inodes;
  for (const InotifyWatch& watch : watches.watches) {
    const std::string name = "wd " + std::to_string(watch.wd);
    if (watch.wd < 1) return Refusal{"EINVAL", name + ": they begin with 1"};
    if ((watch.mask.bits & ~kKept) != 0) {
      return Refusal{"EINVAL",
                     name + ": no watch has " + ValueText(InotifyMask{watch.mask.bits & ~kKept})};
    }
    if (auto refused = RefusedInode(kernel, WatchedInode(watch))) return refused;
    if (!numbers.insert(watch.wd).second) return Refusal{"EEXIST", name + " stands twice"};
    if (!inodes.insert(InodeKey(kernel, WatchedInode(watch))).second) {
      return Refusal{"EEXIST", name + " is on an inode that another watch is on"};
    }
  }
  return std::nullopt;
}

}  // namespace crgen::check
