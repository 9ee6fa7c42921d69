// SPDX-License-Identifier: Apache-2.0
#include "checker/files/regular.h"

#include <fcntl.h>

#include <climits>
#include <utility>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kMostBytes = ~std::uint64_t{0} >> 1;
constexpr std::uint64_t kNsecPerSec = 1'000'000'000;

bool DescribesFile(const Unlinked& it) {
  return it.mode || it.uid || it.gid || it.size || it.rdev || it.target || it.times ||
         !it.content.empty();
}

std::string NameOf(const Unlinked& it) {
  return "the unlinked file " + std::to_string(it.id.value);
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

/// mknod(2), symlink(2), mkdir(2): each type has something that only it has.
std::optional<Refusal> RefusedType(const Unlinked& it) {
  const std::uint32_t type = *it.mode & S_IFMT;
  if (*it.mode > 0177777 ||
      (type != S_IFREG && type != S_IFDIR && type != S_IFIFO && type != S_IFCHR &&
       type != S_IFBLK && type != S_IFLNK && type != S_IFSOCK)) {
    return Refusal{"EINVAL", NameOf(it) + ": its mode is that of no file"};
  }
  const auto only = [&](bool has, bool may, const char* what) -> std::optional<Refusal> {
    if (has == may) return std::nullopt;
    return Refusal{"EINVAL", NameOf(it) + " has " + (has ? "" : "no ") + what +
                                 (has ? ", which no file of its type has"
                                      : ", without which none of its type is made")};
  };
  const bool device = type == S_IFCHR || type == S_IFBLK;
  if (auto refused = only(it.size.has_value(), type == S_IFREG, "size")) return refused;
  if (auto refused = only(it.rdev.has_value(), device, "rdev")) return refused;
  if (auto refused = only(it.target.has_value(), type == S_IFLNK, "target")) return refused;
  if (!it.content.empty() && type != S_IFREG) return only(true, false, "content");
  if (!it.target) return std::nullopt;
  const std::string& target = it.target->bytes;
  if (!target.empty() && target.size() < PATH_MAX && target.find('\0') == std::string::npos) {
    return std::nullopt;
  }
  return Refusal{"EINVAL", NameOf(it) + ": a target has 1 to 4095 bytes, none of them a NUL"};
}

std::optional<Refusal> RefusedCreation(const Unlinked& it) {
  if (!it.mode || !it.uid || !it.gid) {
    return Refusal{"ENOENT",
                   NameOf(it) + " does not exist, and to create it takes mode, uid and gid"};
  }
  if (auto refused = RefusedType(it)) return refused;
  if (it.size.value_or(0) > kMostBytes) {
    return Refusal{"EFBIG", "a file has at most 2^63-1 bytes"};
  }
  if (it.times && (!IsTime(it.times->access) || !IsTime(it.times->modification))) {
    return Refusal{"EINVAL", "nsec is 0 to 999999999, sec below 2^63"};
  }
  return RefusedContent(it);
}

/// A restorer looks at size and mode of what it opens: those that it was made with.
std::optional<Refusal> RefusedSight(const Unlinked& created, const RegularFile& seen) {
  const auto differs = [&](const char* what, std::uint64_t made, std::uint64_t opened) {
    return Refusal{"ESTALE", NameOf(created) + " is made with " + what + " " +
                                 std::to_string(made) + ", and opened as one with " +
                                 std::to_string(opened)};
  };
  if (created.size && seen.size && *created.size != *seen.size) {
    return differs("size", *created.size, *seen.size);
  }
  if (created.target && seen.size && created.target->bytes.size() != *seen.size) {
    return differs("size", created.target->bytes.size(), *seen.size);
  }
  if (!seen.mode || *seen.mode == *created.mode) return std::nullopt;
  return differs("mode", *created.mode, *seen.mode);
}

/// open(2) of a file of that type.
std::optional<Refusal> RefusedAccess(const Unlinked& created, OpenFlags flags) {
  const std::uint32_t type = *created.mode & S_IFMT;
  const bool writes = (flags.bits & O_ACCMODE) != O_RDONLY;
  if (type == S_IFDIR && writes) {
    return Refusal{"EISDIR", NameOf(created) + " is a directory, and opened for writing"};
  }
  if (flags.Has(O_TMPFILE)) {
    if (type == S_IFREG && writes) return std::nullopt;
    return Refusal{"EINVAL", "O_TMPFILE makes a regular file, and opens it for writing"};
  }
  if (flags.Has(O_DIRECTORY) && type != S_IFDIR) {
    return Refusal{"ENOTDIR", "O_DIRECTORY: " + NameOf(created) + " is none"};
  }
  if (type == S_IFLNK && (!flags.Has(O_PATH) || !flags.Has(O_NOFOLLOW))) {
    return Refusal{
        "ELOOP", NameOf(created) + " is a symbolic link: it is opened with O_PATH and O_NOFOLLOW"};
  }
  if (type == S_IFSOCK && !flags.Has(O_PATH)) {
    return Refusal{"ENXIO", NameOf(created) + " is a socket: it is opened with O_PATH"};
  }
  return std::nullopt;
}

}  // namespace

std::string FileRules<RegularFile>::NameInMounts(const RegularFile& regular) const {
  const std::string& path = regular.path.bytes;
  if (!mounts_) return path;
  const Mount* said = regular.mount ? mounts_->Find(*regular.mount) : nullptr;
  const Mount& mount = said ? *said : *mounts_->Of(std::nullopt).MountOf(path);
  const std::string below(PathBelow(path, mount.mountpoint.bytes));
  if (!mount.superblock) return "mount " + std::to_string(mount.id) + " " + below;
  const std::string& root = mount.root.bytes;
  return "superblock " + std::to_string(*mount.superblock) + " " +
         (mount.deleted ? "unlinked " : "") + (root == "/" ? "" : root) +
         (below.empty() ? "" : "/" + below);
}

std::optional<Refusal> FileRules<RegularFile>::CheckUnlinked(const File& description) const {
  const UnlinkedName name = *UnlinkedOf(description);
  const Unlinked& it = *name.file;
  if (name.path->bytes.ends_with('/')) return Refusal{"EINVAL", "the path ends with a slash"};
  const auto known = names_.find(it.id);
  if (known != names_.end()) {
    if (DescribesFile(it) || it.link_of) {
      return Refusal{"EEXIST", NameOf(it) + " exists already: only its first opening describes it"};
    }
    if (known->second.path != name.path->bytes) {
      return Refusal{"EINVAL", NameOf(it) + " was " + known->second.path};
    }
  } else if (!it.link_of) {
    if (auto refused = RefusedCreation(it)) return refused;
  } else {
    if (DescribesFile(it)) {
      return Refusal{"EEXIST", NameOf(it) + " is another name of what exists already"};
    }
    if (!created_.contains(*it.link_of)) {
      return Refusal{"ENOENT", "no file was created as " + std::to_string(*it.link_of)};
    }
  }
  const std::uint64_t file =
      known == names_.end() ? it.link_of.value_or(it.id.value) : FileOf(it.id);
  const auto created = created_.find(file);
  const Unlinked& described = created == created_.end() ? it : created->second;
  if (it.link_of && S_ISDIR(*described.mode)) {
    return Refusal{"EPERM", NameOf(it) + " is another name of a directory"};
  }
  if (S_ISFIFO(*described.mode) != std::holds_alternative<Fifo>(description.body)) {
    return Refusal{
        "EINVAL",
        NameOf(it) + (S_ISFIFO(*described.mode) ? " is a FIFO: its type is FIFO" : " is no FIFO")};
  }
  if (auto refused = RefusedAccess(described, description.flags)) return refused;
  if (const auto* regular = As<RegularFile>(description)) {
    if (auto refused = RefusedSight(described, *regular)) return refused;
  }
  if (!description.flags.Has(O_TMPFILE) || !temporary_.contains(file)) return std::nullopt;
  return Refusal{"EEXIST",
                 NameOf(it) + " was made by another description: O_TMPFILE is that one's"};
}

void FileRules<RegularFile>::AddUnlinked(const File& description) {
  const auto name = UnlinkedOf(description);
  if (!name) return;
  const Unlinked& it = *name->file;
  const std::uint64_t file = it.link_of.value_or(it.id.value);
  if (names_.try_emplace(it.id, Name{file, name->path->bytes}).second && !it.link_of) {
    created_.emplace(file, it);
  }
  if (description.flags.Has(O_TMPFILE)) temporary_.insert(FileOf(it.id));
}

std::optional<Refusal> FileRules<RegularFile>::Check(const File& file,
                                                     const RegularFile& regular) const {
  if (auto refused = RefusedPath(regular.path)) return refused;
  if (auto refused = RefusedLink(regular)) return refused;
  OpenFlags flags = file.flags;
  // For ioctl(2) alone: opening wants the rights of O_RDWR.
  if ((flags.bits & O_ACCMODE) == O_ACCMODE) flags.bits ^= O_ACCMODE ^ O_RDWR;
  if (auto refused = RefusedFlags(flags)) return refused;
  if (file.flags.Has(O_TMPFILE) && !regular.unlinked) {
    return Refusal{"EINVAL", "O_TMPFILE makes a file without a name: it is `unlinked`"};
  }
  if (auto refused = RefusedPosition(regular.pos)) return refused;
  return regular.unlinked ? CheckUnlinked(file) : std::nullopt;
}

void FileRules<RegularFile>::Compare(const std::string& where, const RegularFile& expected,
                                     const RegularFile& found, Diagnostics& diag) const {
  RegularFile named = found;
  named.unlinked = expected.unlinked;
  if (!expected.mount) named.mount.reset();  // the dump does not say: that of who opens it
  check::Compare(where, "file", expected, named, diag);
}

}  // namespace crgen::check
