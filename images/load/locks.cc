// SPDX-License-Identifier: Apache-2.0
// filelocks.img: what fcntl(2) and flock(2) have locked.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "images/load/loader.h"
#include "images/load/place.h"
#include "model/access_mode.h"
#include "model/files/lockable.h"

namespace crgen {
namespace {

constexpr std::uint32_t kBreaking = 4;  // LEASE_BREAKING in file_lock_entry.type
constexpr std::uint32_t kMandatory = LOCK_MAND;
constexpr std::int64_t kLastByte = INT64_MAX;  // OFFSET_MAX

/// What fcntl(2) and flock(2) never set. Empty: nothing.
std::string ImpossibleLock(const pb::file_lock_entry& entry, const File& file) {
  const bool ranged = entry.flag() == kPosixLock || entry.flag() == kOfdLock;
  if (entry.start() < 0 || entry.len() < 0 ||
      (entry.len() != 0 && entry.start() > kLastByte - (entry.len() - 1))) {
    return std::to_string(entry.len()) + " bytes from " + std::to_string(entry.start()) +
           " are no range of a file";
  }
  if (!ranged && (entry.start() != 0 || entry.len() != 0)) {
    return "a part of a file, where the kind locks all of it";
  }
  if (entry.flag() == kLease) {
    const RegularFile* regular = As<RegularFile>(file);
    const bool other =
        !CanBeLeased(file) || (regular != nullptr && !S_ISREG(regular->mode.value_or(S_IFREG)));
    return other ? "a lease of what is no regular file" : "";
  }
  if (entry.type() != F_RDLCK && entry.type() != F_WRLCK) {
    return "type " + std::to_string(entry.type()) + ", expected 0 or 1";
  }
  if (ranged && !(entry.type() == F_RDLCK ? IsReadable(file.flags) : IsWritable(file.flags))) {
    return ValueName(LockTypeKind::Names(), entry.type()) + ", and the file is not open for that";
  }
  if (entry.flag() == kFlock && !IsReadable(file.flags) && !IsWritable(file.flags)) {
    return "flock(2), and the file is open for ioctl(2) alone";
  }
  return file.flags.Has(O_PATH) ? "a file that is open with O_PATH" : "";
}

/// The image has what a lease is being broken to; what it was, the access mode tells as far as that
/// matters to anybody.
FileLock LeaseOf(std::uint32_t type, const File& file) {
  FileLock lease;
  lease.kind = {kLease};
  if ((type & kBreaking) == 0) {
    lease.type = {type};
    return lease;
  }
  lease.breaking = LockType{type & ~kBreaking};
  const bool exclusive = lease.breaking->value == F_RDLCK || IsWritable(file.flags);
  lease.type = {static_cast<std::uint32_t>(exclusive ? F_WRLCK : F_RDLCK)};
  return lease;
}

std::string ImpossibleLease(std::uint32_t type, const File& file) {
  if (type != F_RDLCK && type != F_WRLCK && type != (kBreaking | F_RDLCK) &&
      type != (kBreaking | F_UNLCK)) {
    return "type " + std::to_string(type) + ", expected 0, 1, 4 or 6";
  }
  if (type == F_RDLCK && IsWritable(file.flags))
    return "a read lease of a file that is open for writing";
  return "";
}

class LockReader {
 public:
  explicit LockReader(Loader& loader) : loader_(loader), snapshot_(loader.snapshot) {
    for (std::size_t i = 0; i < snapshot_.tree.nodes.size(); ++i) {
      process_of_[snapshot_.tree.nodes[i].pid] = ProcessIndex(i);
    }
    for (const LateEntry& late : snapshot_.late) {
      if (std::holds_alternative<OwnerSetting>(late.state)) owned_.insert(late.file);
    }
  }

  void Add(const pb::file_lock_entry& entry, const ImageReader& at);
  void Finish();

 private:
  /// Through which file, by which process (POSIX; else none), and whether it is a lease.
  using Key = std::tuple<FileIndex, ProcessIndex, bool>;

  const Descriptor* Find(const pb::file_lock_entry& entry, const ImageReader& at,
                         ProcessIndex* process);
  bool Supported(const pb::file_lock_entry& entry, const ImageReader& at, const File& file);
  void CheckConflicts();

  Loader& loader_;
  Snapshot& snapshot_;
  std::unordered_map<Pid, ProcessIndex> process_of_;
  std::unordered_set<FileIndex> owned_;  ///< files that have an owner
  std::map<Key, std::vector<FileLock>> locks_;
};

std::string HolderOf(const pb::file_lock_entry& entry) {
  return "fd " + std::to_string(entry.fd()) + " of pid " + std::to_string(entry.pid());
}

/// nullptr: reported, here or with the file.
const Descriptor* LockReader::Find(const pb::file_lock_entry& entry, const ImageReader& at,
                                   ProcessIndex* process) {
  const auto known = process_of_.find(entry.pid());
  if (known == process_of_.end() || snapshot_.processes[known->second].table < 0) {
    loader_.diag.Error(at.Where("pid"),
                       "no process " + std::to_string(entry.pid()) + " with files");
    return nullptr;
  }
  *process = known->second;
  const TableIndex table = snapshot_.processes[known->second].table;
  const std::vector<Descriptor>& slots = snapshot_.tables[table].slots;
  const auto slot = std::ranges::lower_bound(slots, entry.fd(), {}, &Descriptor::fd);
  if (slot != slots.end() && slot->fd == entry.fd()) return &*slot;
  if (!loader_.IsLeftOut(static_cast<std::size_t>(table), entry.fd())) {
    loader_.diag.Error(at.Where("fd"), "no " + HolderOf(entry));
  }
  return nullptr;
}

bool LockReader::Supported(const pb::file_lock_entry& entry, const ImageReader& at,
                           const File& file) {
  std::string what;
  if (!HasLocks(file)) {
    what = "a lock of a " + std::string(TypeOf(file)) + ", ";
  } else if (entry.flag() == kFlock && (entry.type() & kMandatory) != 0) {
    what = "a mandatory lock (LOCK_MAND), ";
  }
  if (what.empty()) return true;
  loader_.diag.Unsupported(at.Where(), what + HolderOf(entry), Loss::kLocks);
  return false;
}

void LockReader::Add(const pb::file_lock_entry& entry, const ImageReader& at) {
  if (!IsNamed<LockKindKind>(entry.flag())) {
    return loader_.diag.Unsupported(
        at.Where("flag"), "a file lock of kind " + std::to_string(entry.flag()), Loss::kLocks);
  }
  ProcessIndex process;
  const Descriptor* slot = Find(entry, at, &process);
  if (slot == nullptr) return;
  const File& file = *snapshot_.files[slot->file];
  if (!Supported(entry, at, file)) return;
  const bool is_lease = entry.flag() == kLease;
  std::string problem = ImpossibleLock(entry, file);
  if (problem.empty() && is_lease) problem = ImpossibleLease(entry.type(), file);
  if (!problem.empty()) {
    loader_.diag.Error(at.Where(), problem + ", " + HolderOf(entry));
    return;
  }
  FileLock lock = {LockKind{entry.flag()},
                   LockType{entry.type()},
                   static_cast<std::uint64_t>(entry.start()),
                   static_cast<std::uint64_t>(entry.len()),
                   {}};
  if (is_lease) lock = LeaseOf(entry.type(), file);
  const ProcessIndex owner = entry.flag() == kPosixLock ? process : ProcessIndex();
  locks_[{slot->file, owner, is_lease}].push_back(std::move(lock));
}

/// A lock of a file, and whose it is.
struct HeldLock {
  std::uint64_t start, end;  ///< the last byte
  bool exclusive;
  std::pair<TableIndex, FileIndex> owner;  ///< a table (POSIX), else a description
};

/// How far locks reach, of the two owners whose reach furthest.
class Reach {
 public:
  using Owner = decltype(HeldLock::owner);
  void Add(const HeldLock& lock) {
    if (first_.end <= lock.end || first_.owner == lock.owner) {
      if (first_.owner != lock.owner) second_ = first_;
      first_ = {lock.owner, std::max(first_.owner == lock.owner ? first_.end : 0, lock.end)};
    } else if (second_.end <= lock.end) {
      second_ = {lock.owner, lock.end};
    }
  }
  bool HasOther(const HeldLock& lock) const {
    const Held& other = first_.owner == lock.owner ? second_ : first_;
    return other.owner != Owner{} && other.end >= lock.start;
  }

 private:
  struct Held {
    Owner owner = {};
    std::uint64_t end = 0;
  };
  Held first_, second_;
};

/// The first of `locks` that another one keeps away; nullptr: there is none.
const HeldLock* FirstConflict(std::vector<HeldLock>& locks) {
  std::ranges::sort(locks, {}, &HeldLock::start);
  Reach all, exclusive;
  for (const HeldLock& lock : locks) {
    if ((lock.exclusive ? all : exclusive).HasOther(lock)) return &lock;
    all.Add(lock);
    if (lock.exclusive) exclusive.Add(lock);
  }
  return nullptr;
}

/// The file that descriptions have in common.
std::string IdentityOf(const RegularFile& regular) {
  return (regular.unlinked ? "unlinked " + std::to_string(regular.unlinked->id.value) + " " : "") +
         regular.path.bytes;
}
std::string IdentityOf(const Memfd& memfd) {
  return "memfd " + std::to_string(memfd.inode_id.value);
}
std::string IdentityOf(const File& file) {
  if (const auto* regular = As<RegularFile>(file)) return IdentityOf(*regular);
  if (const auto* memfd = As<Memfd>(file)) return IdentityOf(*memfd);
  return SpecialInode::Of(file).value_or("");
}

/// No kernel has given two of them.
void LockReader::CheckConflicts() {
  std::map<std::pair<std::string, bool>, std::vector<HeldLock>> by_file;  // flock(2): of their own
  for (const auto& [where, all] : locks_) {
    const auto [file, process, is_lease] = where;
    if (is_lease) continue;
    for (const FileLock& lock : all) {
      const bool whole = lock.kind.value == kFlock;
      const bool posix = lock.kind.value == kPosixLock;
      const std::uint64_t last = lock.length == 0 ? kLastByte : lock.start + lock.length - 1;
      by_file[{IdentityOf(*snapshot_.files[file]), whole}].push_back(
          {lock.start, last, lock.type.value == F_WRLCK,
           posix ? std::pair(snapshot_.processes[process].table, FileIndex())
                 : std::pair(TableIndex(), file)});
    }
  }
  for (auto& [file, held] : by_file) {
    const HeldLock* conflict = FirstConflict(held);
    if (conflict == nullptr) continue;
    loader_.diag.Error("filelocks.img", "byte " + std::to_string(conflict->start) + " of " +
                                            file.first +
                                            " is locked by two that exclude each other");
  }
}

/// Each descriptor of a description shows the locks that belong to it: what stands twice is one.
void LockReader::Finish() {
  CheckConflicts();
  const auto key = [](const FileLock& it) {
    return std::tuple(it.kind.value, it.start, it.length, it.type.value);
  };
  const auto whole = [](const FileLock& it) { return it.kind.value == kFlock; };
  const auto add = [&](FileIndex file, auto&& state, ProcessIndex process = {}) {
    LateEntry& entry = snapshot_.late.emplace_back();
    entry.file = file;
    entry.state = std::forward<decltype(state)>(state);
    entry.process = process;
  };
  bool breaking = false;
  for (auto& [where, all] : locks_) {
    const auto [file, process, is_lease] = where;
    std::ranges::sort(all, {}, key);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    if ((is_lease && all.size() > 1) || std::ranges::count_if(all, whole) > 1) {
      loader_.diag.Error("filelocks.img", "file " +
                                              std::to_string(snapshot_.files[file]->id.value) +
                                              " has " + (is_lease ? "leases" : "flock(2) locks") +
                                              " that contradict each other");
      continue;
    }
    if (!is_lease) {
      add(file, LockSetting{std::move(all)}, process);
      continue;
    }
    breaking |= all[0].breaking.has_value();
    const auto* regular = As<RegularFile>(*snapshot_.files[file]);
    if (all[0].breaking && regular != nullptr && regular->mount &&
        loader_.MountNamespaceOf(*regular->mount)) {
      loader_.diag.Unsupported("filelocks.img", "a lease that is being broken, of " +
                                                    regular->path.bytes +
                                                    " in a mount namespace that is not the root's");
      continue;
    }
    add(file, LeaseSetting{std::move(all)});
    // F_SETLEASE makes an owner; that of the dump has gone.
    if (!owned_.contains(file)) add(file, OwnerSetting{});
  }
  loader_.SortLate();
  if (!breaking) return;
  loader_.diag.Warning("filelocks.img",
                       "no image says how long leases have been broken: their "
                       "holders get all of the time again");
}

}  // namespace

void Loader::LoadLocks() {
  const ImageKind& kind = ImageKindNamed("FILE_LOCKS");
  if (!images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(images.Open(kind, 0, &reader, diag))) return;
  LockReader locks(*this);
  pb::file_lock_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    if (Succeeded(ParseMessage(bytes, reader, &entry, diag))) locks.Add(entry, reader);
  }
  locks.Finish();
}

}  // namespace crgen
