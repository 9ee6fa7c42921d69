// SPDX-License-Identifier: Apache-2.0
#include "checker/files/regular.h"

#include <utility>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kMostBytes = ~std::uint64_t{0} >> 1;
constexpr std::uint64_t kNsecPerSec = 1'000'000'000;

bool DescribesFile(const Unlinked& it) {
  return it.mode || it.uid || it.gid || it.size || it.times || !it.content.empty();
}

bool IsTime(const TimeSpan& time) { return time.nsec < kNsecPerSec && time.sec <= kMostBytes; }

std::optional<Refusal> RefusedContent(const Unlinked& it) {
  std::uint64_t end = 0;
  for (const ContentRun& part : it.content) {
    if (part.bytes == 0 || part.at < end || part.at > *it.size || part.bytes > *it.size - part.at ||
        part.source.offset > kMostBytes - part.bytes) {
      return Refusal{"EINVAL", "content of " + std::to_string(part.bytes) + " bytes at " +
                                   std::to_string(part.at) +
                                   ": it ascends, does not overlap, and is inside the file"};
    }
    end = part.at + part.bytes;
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedCreation(const Unlinked& it) {
  if (!it.mode || !it.uid || !it.gid || !it.size) {
    return Refusal{"ENOENT", "the unlinked file " + std::to_string(it.id.value) +
                                 " does not exist, and to create it takes mode, uid, gid and size"};
  }
  if (!S_ISREG(*it.mode) || *it.mode > 0177777) {
    return Refusal{"EINVAL", "an unlinked file is a regular one"};
  }
  if (*it.size > kMostBytes) return Refusal{"EFBIG", "a file has at most 2^63-1 bytes"};
  if (it.times && (!IsTime(it.times->access) || !IsTime(it.times->modification))) {
    return Refusal{"EINVAL", "nsec is 0 to 999999999, sec below 2^63"};
  }
  return RefusedContent(it);
}

}  // namespace

std::string FileRules<RegularFile>::NameInMounts(const std::string& path) const {
  if (!paths_) return path;
  const Mount& mount = *paths_->MountOf(path);
  const std::string below(PathBelow(path, mount.mountpoint.bytes));
  if (!mount.superblock) return "mount " + std::to_string(mount.id) + " " + below;
  const std::string& root = mount.root.bytes;
  return "superblock " + std::to_string(*mount.superblock) + " " + (root == "/" ? "" : root) +
         (below.empty() ? "" : "/" + below);
}

std::optional<Refusal> FileRules<RegularFile>::CheckUnlinked(const RegularFile& regular) const {
  const Unlinked& it = *regular.unlinked;
  if (regular.opened_by) return Refusal{"EINVAL", "an unlinked file is not opened by another name"};
  if (regular.path.bytes.ends_with('/')) return Refusal{"EINVAL", "the path ends with a slash"};
  const std::string name = "the unlinked file " + std::to_string(it.id.value);
  const auto known = names_.find(it.id);
  if (known != names_.end()) {
    if (DescribesFile(it) || it.link_of) {
      return Refusal{"EEXIST", name + " exists already: only its first opening describes it"};
    }
    if (known->second.path == regular.path.bytes) return std::nullopt;
    return Refusal{"EINVAL", name + " was " + known->second.path};
  }
  if (!it.link_of) return RefusedCreation(it);
  if (DescribesFile(it)) return Refusal{"EEXIST", name + " is another name of what exists already"};
  if (created_.contains(*it.link_of)) return std::nullopt;
  return Refusal{"ENOENT", "no file was created as " + std::to_string(*it.link_of)};
}

std::optional<Refusal> FileRules<RegularFile>::Check(const File& file,
                                                     const RegularFile& regular) const {
  if (auto refused = RefusedPath(regular.path)) return refused;
  if (regular.opened_by) {
    if (auto refused = RefusedPath(*regular.opened_by)) return refused;
  }
  if (auto refused = RefusedFlags(file.flags)) return refused;
  if (auto refused = RefusedPosition(regular.pos)) return refused;
  return regular.unlinked ? CheckUnlinked(regular) : std::nullopt;
}

std::shared_ptr<MemoryObject> FileRules<RegularFile>::Open(const RegularFile& regular) {
  if (!regular.unlinked) return nullptr;
  const Unlinked& it = *regular.unlinked;
  const std::uint64_t file = it.link_of.value_or(it.id.value);
  if (names_.try_emplace(it.id, Name{file, regular.path.bytes}).second && !it.link_of) {
    created_.emplace(file, it);
  }
  return nullptr;
}

void FileRules<RegularFile>::Compare(const std::string& where, const RegularFile& expected,
                                     const RegularFile& found, Diagnostics& diag) const {
  RegularFile named = found;
  named.unlinked = expected.unlinked;
  check::Compare(where, "file", expected, named, diag);
}

}  // namespace crgen::check
