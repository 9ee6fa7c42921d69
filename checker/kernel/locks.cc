// SPDX-License-Identifier: Apache-2.0
#include "checker/kernel/locks.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

bool Same(const LockOwner& a, const LockOwner& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

/// The first of disjoint ranges that ends at or behind `byte`.
template <typename Ranges>
auto FirstFrom(Ranges& ranges, std::uint64_t byte) {
  auto at = ranges.upper_bound(byte);
  if (at != ranges.begin() && std::prev(at)->second.last >= byte) --at;
  return at;
}

Refusal Taken(const std::string& what) {
  return {"EAGAIN", what + " is locked by somebody else of the program"};
}

}  // namespace

std::optional<Refusal> FileLocks::Conflict(Inode& inode, std::uint64_t first, std::uint64_t last,
                                           bool exclusive, const LockOwner& owner) {
  for (auto at = FirstFrom(inode.exclusive, first);
       at != inode.exclusive.end() && at->first <= last;) {
    if (at->second.owner.expired()) {
      at = inode.exclusive.erase(at);
    } else if (!Same(at->second.owner, owner)) {
      return Taken("byte " + std::to_string(std::max(first, at->first)));
    } else {
      ++at;
    }
  }
  if (!exclusive) return std::nullopt;
  for (auto at = inode.shared.begin(); at != inode.shared.end();) {
    if (at->first.expired()) {
      at = inode.shared.erase(at);
      continue;
    }
    const auto range = FirstFrom(at->second, first);
    if (range != at->second.end() && range->first <= last && !Same(at->first, owner)) {
      return Taken("byte " + std::to_string(std::max(first, range->first)));
    }
    ++at;
  }
  return std::nullopt;
}

/// Takes the range out of what `owner` has. Where the first lock began that was wholly inside of
/// it; behind all bytes: there was none.
std::uint64_t FileLocks::Cut(Ranges& ranges, std::uint64_t first, std::uint64_t last,
                             const LockOwner& owner) {
  std::uint64_t replaced = ~std::uint64_t{0};
  for (auto at = FirstFrom(ranges, first); at != ranges.end() && at->first <= last;) {
    if (!Same(at->second.owner, owner)) {
      ++at;
      continue;
    }
    const std::uint64_t start = at->first;
    const Range old = at->second;
    if (start >= first && old.last <= last) replaced = std::min(replaced, start);
    at = ranges.erase(at);
    if (start < first) {
      Range left = old;
      left.last = first - 1;
      ranges.emplace(start, std::move(left));
    }
    if (old.last > last) at = std::next(ranges.emplace(last + 1, old).first);
  }
  return replaced;
}

/// Adds the range, with what the owner has beside it and in it as one. That is known by the first
/// of the two, unless a lock of the other type, which began before at `replaced`, has made way for
/// it.
void FileLocks::Join(Ranges& ranges, std::uint64_t first, Range range, std::uint64_t replaced) {
  const std::uint64_t from = first == 0 ? 0 : first - 1;
  const std::uint64_t to = range.last == kLastByte ? kLastByte : range.last + 1;
  bool joined = false;
  for (auto at = FirstFrom(ranges, from); at != ranges.end() && at->first <= to;) {
    if (!Same(at->second.owner, range.owner)) {
      ++at;
      continue;
    }
    if (!std::exchange(joined, true) && at->first < replaced) {
      range.description = at->second.description;
    }
    first = std::min(first, at->first);
    range.last = std::max(range.last, at->second.last);
    at = ranges.erase(at);
  }
  ranges.emplace(first, std::move(range));
}

std::optional<Refusal> FileLocks::AddWhole(Inode& inode, const FileLock& lock,
                                           const LockOwner& owner) {
  for (auto at = inode.whole.begin(); at != inode.whole.end();) {
    if (at->first.expired()) {
      at = inode.whole.erase(at);
      continue;
    }
    const bool compatible = lock.type.value == F_RDLCK && at->second.value == F_RDLCK;
    if (!compatible && !Same(at->first, owner)) return Taken("the file");
    if (compatible) break;  // those that share it all share it
    ++at;
  }
  inode.whole[owner] = lock.type;
  return std::nullopt;
}

std::optional<Refusal> FileLocks::Add(const std::string& inode, const FileLock& lock,
                                      const std::shared_ptr<const void>& owner,
                                      const std::shared_ptr<const Description>& description) {
  Inode& at = inodes_[inode];
  if (lock.kind.value == kFlock) return AddWhole(at, lock, owner);
  const std::uint64_t last = lock.length == 0 ? kLastByte : lock.start + lock.length - 1;
  const bool exclusive = lock.type.value == F_WRLCK;
  if (auto refused = Conflict(at, lock.start, last, exclusive, owner)) return refused;
  Range range = {last, lock.kind, owner, description};
  Ranges& own_shared = at.shared[owner];
  const std::uint64_t replaced =
      Cut(exclusive ? own_shared : at.exclusive, lock.start, last, owner);
  Join(exclusive ? at.exclusive : own_shared, lock.start, std::move(range), replaced);
  if (own_shared.empty()) at.shared.erase(owner);
  return std::nullopt;
}

bool FileLocks::Close(const std::string& inode, const std::shared_ptr<const void>& table) {
  const auto found = inodes_.find(inode);
  if (found == inodes_.end()) return false;
  const LockOwner owner = table;
  const std::size_t removed = std::erase_if(
      found->second.exclusive, [&](const auto& range) { return Same(range.second.owner, owner); });
  return found->second.shared.erase(owner) + removed != 0;
}

std::optional<Refusal> FileLocks::CheckLease(const std::string& inode,
                                             const FileLock& lease) const {
  const auto found = inodes_.find(inode);
  if (found == inodes_.end()) return std::nullopt;
  for (const Lease& other : found->second.leases) {
    if (other.description.expired()) continue;
    if (lease.type.value == F_WRLCK) {
      return Refusal{"EAGAIN", "somebody else of the program has a lease on the file"};
    }
    if (other.lease.breaking != lease.breaking) {
      return Refusal{"EINVAL", "the leases of a file are broken together"};
    }
  }
  return std::nullopt;
}

void FileLocks::AddLease(const std::string& inode, const FileLock& lease,
                         const std::shared_ptr<const Description>& description) {
  inodes_[inode].leases.push_back({lease, description});
}

bool FileLocks::BreaksLease(const std::string& inode) const {
  const auto found = inodes_.find(inode);
  return found != inodes_.end() &&
         std::any_of(found->second.leases.begin(), found->second.leases.end(), [](const Lease& it) {
           return it.lease.type.value == F_WRLCK && !it.description.expired();
         });
}

}  // namespace crgen::check
