// SPDX-License-Identifier: Apache-2.0
#include "restorer/left_names.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "preflight/root_view.h"
#include "restorer/files/unix_socket.h"
#include "restorer/momentary_name.h"
#include "restorer/namespaces.h"

namespace crgen::restorer {
namespace {

using Entry = NameRecord::Entry;

/// What the caller has given for mounts of the plan's own.
void HoldPlaces(const NamespaceOptions& options, HostFiles* places) {
  places->HoldPlace(RootPlace(), OpenPath(AT_FDCWD, options.root, O_DIRECTORY, 0));
  for (const auto& [key, path] : options.mounts) {
    places->HoldPlace(MountPlace(key), OpenPath(AT_FDCWD, path, 0, 0));
  }
}

/// Whether it is what was made, or announced: then by root, or for a file that was known, and not
/// before.
bool IsMade(const Entry& entry, const struct stat& now) {
  const bool same = now.st_dev == entry.device && now.st_ino == entry.inode;
  if (entry.state == Entry::kMade) return same;
  const auto time = [](const timespec& it) { return std::tuple(it.tv_sec, it.tv_nsec); };
  return time(now.st_ctim) >= time(entry.since) &&
         (entry.known ? same
                      : now.st_uid == geteuid() && (!S_ISREG(now.st_mode) || now.st_size == 0));
}

void Remove(const Entry& entry, const preflight::RootView& root) {
  const std::string path = entry.folder;
  if (root.IsMadeLater(path)) return;
  const int folder = root.Open(path, O_DIRECTORY);
  if (folder < 0) return;
  struct stat now;
  if (fstatat(folder, entry.name, &now, AT_SYMLINK_NOFOLLOW) == 0 && IsMade(entry, now)) {
    unlinkat(folder, entry.name, S_ISDIR(now.st_mode) ? AT_REMOVEDIR : 0);
  }
  close(folder);
}

void RemoveMomentaryNames(int names, const std::vector<Mount>* mounts, const HostFiles& places) {
  std::vector<Entry> left;
  Entry entry;
  for (off_t at = 0; pread(names, &entry, sizeof entry, at) == sizeof entry; at += sizeof entry) {
    if (entry.state != Entry::kNone) left.push_back(entry);
  }
  // What is inside of a folder goes before it.
  std::ranges::sort(left, std::greater(), [](const Entry& it) { return std::strlen(it.folder); });
  for (const Entry& it : left) {
    const auto mnt = it.elsewhere ? std::optional(it.mnt) : std::nullopt;
    Remove(it, preflight::RootView(mounts, places, mnt));
  }
}

}  // namespace

void RemoveLeftNames(const Program& program, const NamespaceOptions& options,
                     const Records& records) {
  const std::vector<Mount>* mounts = OwnMounts(program);
  HostFiles places;
  if (mounts != nullptr) HoldPlaces(options, &places);
  RemoveSocketFiles(program, mounts, places, records.board);
  RemoveMomentaryNames(records.names, mounts, places);
}

}  // namespace crgen::restorer
