// SPDX-License-Identifier: Apache-2.0
// Random file locks and leases for programs that the kernel executes.
#pragma once

#include <fcntl.h>

#include <iterator>
#include <random>
#include <variant>

#include "checker/files/locked_inode.h"

namespace crgen::test {

/// `leases`: half of them are leases.
inline DescriptorState AnyLock(std::mt19937& random, Fd fd, bool leases) {
  constexpr std::uint32_t kKinds[] = {kPosixLock, kPosixLock, kOfdLock, kFlock};
  constexpr std::uint64_t kEnd = ~std::uint64_t{0} >> 1;
  constexpr std::uint64_t kStarts[] = {0, 3, 5, 5, 9, 12, 20, kEnd, kEnd / 2 + 1};
  constexpr std::uint64_t kLengths[] = {0, 1, 2, 4, 4, 7, 11, kEnd / 2 + 1, kEnd};
  FileLock lock;
  lock.type = {static_cast<std::uint32_t>(random() % 2 == 0 ? F_RDLCK : F_WRLCK)};
  if (leases && random() % 2 == 0) {
    lock.kind = {kLease};
    return {fd, LeaseSetting{{lock}}};
  }
  lock.kind = {kKinds[random() % std::size(kKinds)]};
  if (lock.kind.value != kFlock) {
    lock.start = kStarts[random() % std::size(kStarts)];
    lock.length = kLengths[random() % std::size(kLengths)];
  }
  return {fd, LockSetting{{lock}}};
}

/// Whether the kernel says of the lock what the checker does. It does not know the order of kinds,
/// nor that a lease is set once; it locks what has no inode of its own, too; a flock(2) that is
/// refused has lost what it was to replace; memfds have writers or not, as their descriptions come
/// to be.
inline bool IsJudged(const check::Kernel& kernel, const check::Description& description,
                     const LateState& late, bool has_leases) {
  const bool is_lease = std::holds_alternative<LeaseSetting>(late);
  if (!is_lease && !std::holds_alternative<LockSetting>(late)) return true;
  if (!check::LockedInode(kernel, *description.file)) return false;
  if (is_lease) return description.late.empty() && As<RegularFile>(*description.file) != nullptr;
  if (has_leases) return false;
  bool whole = false;
  kernel.locks.ForEach(
      [&](const FileLock& held, const check::LockOwner&, const check::Description* of) {
        whole |= of == &description && held.kind.value == kFlock;
      });
  return !whole || std::get<LockSetting>(late).locks[0].kind.value != kFlock;
}

}  // namespace crgen::test
