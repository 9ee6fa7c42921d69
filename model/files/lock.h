// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/flags.h"

namespace crgen {

/// file_lock_entry: what fcntl(2) and flock(2) lock.
struct FileLock {
  LockKind kind;
  LockType type;             ///< F_RDLCK or F_WRLCK; of a lease: before somebody began to break it
  std::uint64_t start = 0;   ///< bytes
  std::uint64_t length = 0;  ///< bytes; 0: to the end, however far that is
  std::optional<LockType> breaking;  ///< LEASE: what somebody is breaking it to
  friend bool operator==(const FileLock&, const FileLock&) = default;
};

/// LockKind::value.
inline constexpr std::uint32_t kPosixLock = 1, kFlock = 2, kOfdLock = 4, kLease = 8;

/// POSIX, OFD and FLOCK. A POSIX lock belongs to the descriptor table of who sets it, the others to
/// the description.
struct LockSetting {
  std::vector<FileLock> locks;
  friend bool operator==(const LockSetting&, const LockSetting&) = default;
};

/// The one LEASE of a description.
struct LeaseSetting {
  std::vector<FileLock> locks;
  friend bool operator==(const LeaseSetting&, const LeaseSetting&) = default;
};

}  // namespace crgen
