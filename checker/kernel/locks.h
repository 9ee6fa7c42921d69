// SPDX-License-Identifier: Apache-2.0
// File locks and leases of the simulated kernel: fs/locks.c.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "checker/files/rules.h"
#include "model/files/lock.h"

namespace crgen::check {

/// Who a lock belongs to: the descriptor table (POSIX) or the description (OFD, FLOCK). It ends
/// with its owner.
using LockOwner = std::weak_ptr<const void>;

/// The locks of all files. A file is named by LockedInode(): what has two names is two files
/// here.
class FileLocks {
 public:
  /// F_SETLK, F_OFD_SETLK, LOCK_NB: like the kernel, replaces and joins what `owner` has there.
  /// REQUIRES: LateRules<LockSetting> take it.
  std::optional<Refusal> Add(const std::string& inode, const FileLock& lock,
                             const std::shared_ptr<const void>& owner,
                             const std::shared_ptr<const Description>& description);
  /// `table` closes a descriptor of the file. True: it had POSIX locks.
  bool Close(const std::string& inode, const std::shared_ptr<const void>& table);

  /// F_SETLEASE, as far as other leases forbid it.
  std::optional<Refusal> CheckLease(const std::string& inode, const FileLock& lease) const;
  void AddLease(const std::string& inode, const FileLock& lease,
                const std::shared_ptr<const Description>& description);
  /// Whether opening the file for reading breaks a lease.
  bool BreaksLease(const std::string& inode) const;

  bool empty() const { return inodes_.empty(); }

  /// `function(lock, owner, description)` for each lock that is held, leases too.
  template <typename Function>
  void ForEach(Function&& function) const {
    for (const auto& [name, inode] : inodes_) {
      for (const auto& [start, range] : inode.exclusive) Tell(start, range, F_WRLCK, function);
      for (const auto& [owner, ranges] : inode.shared) {
        for (const auto& [start, range] : ranges) Tell(start, range, F_RDLCK, function);
      }
      for (const auto& [owner, type] : inode.whole) {
        if (owner.expired()) continue;
        FileLock lock;
        lock.kind = {kFlock};
        lock.type = type;
        const auto description = std::static_pointer_cast<const Description>(owner.lock());
        function(lock, owner, description.get());
      }
      for (const Lease& lease : inode.leases) {
        const auto description = lease.description.lock();
        if (description != nullptr) function(lease.lease, description, description.get());
      }
    }
  }

 private:
  struct Range {
    std::uint64_t last = 0;  ///< byte, included
    LockKind kind;
    LockOwner owner;
    std::weak_ptr<const Description> description;  ///< through which it was set
  };
  using Ranges = std::map<std::uint64_t, Range>;  ///< by the first byte; disjoint
  using OwnerLess = std::owner_less<LockOwner>;
  struct Lease {
    FileLock lease;
    std::weak_ptr<const Description> description;
  };
  struct Inode {
    Ranges exclusive;  ///< of all owners
    std::map<LockOwner, Ranges, OwnerLess> shared;
    std::map<LockOwner, LockType, OwnerLess> whole;  ///< FLOCK
    std::vector<Lease> leases;
  };

  static std::optional<Refusal> AddWhole(Inode& inode, const FileLock& lock,
                                         const LockOwner& owner);
  static std::optional<Refusal> Conflict(Inode& inode, std::uint64_t first, std::uint64_t last,
                                         bool exclusive, const LockOwner& owner);
  static std::uint64_t Cut(Ranges& ranges, std::uint64_t first, std::uint64_t last,
                           const LockOwner& owner);
  static void Join(Ranges& ranges, std::uint64_t first, Range range, std::uint64_t replaced);

  template <typename Function>
  static void Tell(std::uint64_t start, const Range& range, std::uint32_t type,
                   Function&& function) {
    const auto description = range.description.lock();
    if (range.owner.expired() || description == nullptr) return;
    const bool to_the_end = range.last == kLastByte;
    function(FileLock{range.kind, {type}, start, to_the_end ? 0 : range.last - start + 1, {}},
             range.owner, description.get());
  }

  static constexpr std::uint64_t kLastByte = ~std::uint64_t{0} >> 1;  // OFFSET_MAX
  std::unordered_map<std::string, Inode> inodes_;
};

}  // namespace crgen::check
