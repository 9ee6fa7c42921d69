// SPDX-License-Identifier: Apache-2.0
#include "checker/files/lock.h"

#include <fcntl.h>

#include "checker/files/locked_inode.h"
#include "checker/kernel/kernel.h"
#include "model/access_mode.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kMostBytes = ~std::uint64_t{0} >> 1;  // OFFSET_MAX

std::optional<Refusal> RefusedRange(const FileLock& lock) {
  if (lock.start > kMostBytes || lock.length > kMostBytes) {
    return Refusal{"EINVAL", "a lock begins and is long below 2^63"};
  }
  if (lock.length != 0 && lock.start > kMostBytes - (lock.length - 1)) {
    return Refusal{"EOVERFLOW", "a lock of " + std::to_string(lock.length) + " bytes from " +
                                    std::to_string(lock.start) + " ends behind all files"};
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedLock(const File& file, const FileLock& lock) {
  const std::uint32_t kind = lock.kind.value;
  if (kind == kLease) return Refusal{"EINVAL", "a lease stands alone in its `locks`"};
  if (kind != kPosixLock && kind != kOfdLock && kind != kFlock) {
    return Refusal{"EINVAL", "there is no lock of kind " + ValueText(lock.kind)};
  }
  if (lock.type.value != F_RDLCK && lock.type.value != F_WRLCK) {
    return Refusal{"EINVAL", "a lock is F_RDLCK or F_WRLCK"};
  }
  if (lock.breaking) return Refusal{"EINVAL", "only a lease is being broken"};
  if (kind == kFlock) {
    if (!IsReadable(file.flags) && !IsWritable(file.flags)) {
      return Refusal{"EBADF", "flock(2) takes a description that can read or write"};
    }
    if (lock.start == 0 && lock.length == 0) return std::nullopt;
    return Refusal{"EINVAL", "flock(2) locks the whole file"};
  }
  if (auto refused = RefusedRange(lock)) return refused;
  const bool may = lock.type.value == F_RDLCK ? IsReadable(file.flags) : IsWritable(file.flags);
  if (may) return std::nullopt;
  return Refusal{"EBADF", ValueText(lock.type) + " takes a description that can " +
                              (lock.type.value == F_RDLCK ? "read" : "write")};
}

std::optional<Refusal> RefusedDescription(const Kernel& kernel, const File& file) {
  if (file.flags.Has(O_PATH)) return Refusal{"EBADF", "the description is opened with O_PATH"};
  if (LockedInode(kernel, file)) return std::nullopt;
  return Refusal{"EINVAL", "a " + std::string(TypeOf(file)) + " is no file that is locked"};
}

/// check_conflicting_open(), fs/locks.c.
std::optional<Refusal> RefusedByOpenings(const File& file, const FileLock& lease,
                                         const Openings& openings) {
  if (lease.type.value == F_RDLCK) {
    if (openings.writers == 0) return std::nullopt;
    return Refusal{"EAGAIN", "a read lease, and the file is open for writing"};
  }
  const std::size_t own_writers = IsWritable(file.flags),
                    own_readers = IsReadable(file.flags) && !IsWritable(file.flags);
  if (openings.executed || openings.writers != own_writers || openings.readers != own_readers) {
    return Refusal{"EAGAIN", "a write lease, and the file is open elsewhere"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> LateRules<LockSetting>::Check(const Kernel& kernel,
                                                     const Description& description,
                                                     const LockSetting& setting) {
  const File& file = *description.file;
  if (auto refused = RefusedDescription(kernel, file)) return refused;
  if (setting.locks.empty()) return Refusal{"EINVAL", "there are no locks"};
  for (const FileLock& lock : setting.locks) {
    if (auto refused = RefusedLock(file, lock)) return refused;
  }
  return std::nullopt;
}

std::optional<Refusal> LateRules<LeaseSetting>::Check(const Kernel& kernel,
                                                      const Description& description,
                                                      const LeaseSetting& setting) {
  const File& file = *description.file;
  if (auto refused = RefusedDescription(kernel, file)) return refused;
  if (setting.locks.size() != 1) return Refusal{"EINVAL", "a description has one lease"};
  const FileLock& lease = setting.locks.front();
  const std::uint32_t type = lease.type.value;
  if (lease.kind.value != kLease || (type != F_RDLCK && type != F_WRLCK) || lease.start != 0 ||
      lease.length != 0) {
    return Refusal{"EINVAL", "a lease is F_RDLCK or F_WRLCK, of the whole file"};
  }
  if (lease.breaking && lease.breaking->value != F_UNLCK &&
      (type != F_WRLCK || lease.breaking->value != F_RDLCK)) {
    return Refusal{"EINVAL",
                   ValueText(lease.type) + " is not broken to " + ValueText(*lease.breaking)};
  }
  const RegularFile* regular = As<RegularFile>(file);
  if (!CanBeLeased(file) || (regular != nullptr && !S_ISREG(regular->mode.value_or(S_IFREG)))) {
    return Refusal{"EINVAL", "only a regular file is leased"};
  }
  const std::string inode = *kernel.InodeOf(file);
  if (regular != nullptr) {
    if (auto refused = RefusedByOpenings(file, lease, kernel.OpeningsOf(inode))) return refused;
  }
  return kernel.locks.CheckLease(inode, lease);
}

}  // namespace crgen::check
