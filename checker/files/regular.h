// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "checker/files/rules.h"
#include "model/attributes.h"
#include "model/mount_paths.h"
#include "model/proc_path.h"

namespace crgen::check {

/// open(2). Unlinked files are objects that live until the program ends: a restorer holds them.
template <>
class FileRules<RegularFile> : public PlainRules<RegularFile> {
 public:
  static constexpr bool kCanBeMapped = true;

  /// Not on disks; in proc(5) and sysfs(5) some can.
  bool CanBePolled(const RegularFile& regular) const {
    const std::uint32_t mode = regular.mode.value_or(S_IFREG);
    const std::string& path = regular.path.bytes;
    if (S_ISREG(mode)) return path.starts_with("/proc/") || path.starts_with("/sys/");
    return !S_ISDIR(mode) && !S_ISLNK(mode);
  }
  bool IsOfAProcess(const RegularFile& regular) const {
    return ParseProcPath(regular.path.bytes).has_value();
  }
  std::optional<Refusal> Check(const File& file, const RegularFile& regular) const;
  bool ObjectLives(const RegularFile& regular) const { return regular.unlinked.has_value(); }
  /// What it makes may be a directory or executable of a process, or be watched.
  bool ServesOtherwise(const RegularFile& regular, std::size_t openings_of_object) const {
    return regular.unlinked.has_value() || openings_of_object > 1;
  }
  std::optional<std::uint64_t> MappedSize(const RegularFile& regular) const {
    return S_ISREG(regular.mode.value_or(S_IFREG)) ? regular.size : std::nullopt;
  }
  /// Files without a name are compared once for all their descriptions.
  void Compare(const std::string& where, const RegularFile& expected, const RegularFile& found,
               Diagnostics& diag) const;
  std::optional<std::string> Inode(const RegularFile& regular) const {
    if (!regular.unlinked) return NameInMounts(regular);
    return "unlinked " + std::to_string(FileOf(regular.unlinked->id));
  }
  std::string Text(const RegularFile& regular) const {
    return ValueText(regular.path) + (regular.unlinked ? " (deleted)" : "");
  }

  /// Paths are those of a mount namespace from here on: `set` has its mounts.
  void Enter(std::shared_ptr<const Attributes> set) {
    entered_ = std::move(set);
    mounts_.emplace(entered_->mounts);
  }
  /// Those that the root has entered and made; nullptr: none.
  const MountNamespaces* mounts() const { return mounts_ ? &*mounts_ : nullptr; }

  /// Whether such a description of a file without a name, a REG or a FIFO, can be opened.
  /// REQUIRES: UnlinkedOf() finds one.
  std::optional<Refusal> CheckUnlinked(const File& description) const;
  /// It is open, of whatever type.
  void AddUnlinked(const File& description);

  /// What the first opening of the file behind that name has said; nullptr: there is none.
  const Unlinked* Created(UnlinkedId id) const {
    const auto known = created_.find(FileOf(id));
    return known == created_.end() ? nullptr : &known->second;
  }
  /// The id by which the file of that name was created.
  std::uint64_t FileOf(UnlinkedId id) const {
    const auto known = names_.find(id);
    return known == names_.end() ? id.value : known->second.file;
  }

 private:
  struct Name {
    std::uint64_t file;
    std::string path;
  };
  /// The same for all paths that bind mounts give to one file.
  std::string NameInMounts(const RegularFile& regular) const;

  std::unordered_map<UnlinkedId, Name> names_;
  std::unordered_map<std::uint64_t, Unlinked> created_;
  std::unordered_set<std::uint64_t> temporary_;  ///< those that a description with O_TMPFILE made
  std::shared_ptr<const Attributes> entered_;
  std::optional<MountNamespaces> mounts_;  ///< of `entered_`
};

}  // namespace crgen::check
