// SPDX-License-Identifier: Apache-2.0
// File locks and leases that others hold.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "model/ids.h"
#include "preflight/file_status.h"
#include "preflight/host.h"

namespace crgen::preflight {

/// A line as /proc/locks has it, proc_locks(5).
struct HeldLock {
  static constexpr std::uint64_t kLastByte = ~std::uint64_t{0} >> 1;

  std::string kind;  ///< POSIX, OFDLCK, FLOCK, LEASE
  bool exclusive = false;
  Pid pid = 0;  ///< below 1: it does not say
  std::uint64_t first = 0, last = kLastByte;

  /// Whether open(2) with these flags breaks it, and waits until it is gone.
  bool BreaksFor(std::uint64_t flags) const;
};

class HeldLocks {
 public:
  enum class Kinds { kAll, kLeases };

  HeldLocks(Host& host, Kinds kinds) : host_(host), kinds_(kinds) {}

  /// Whether there are none, of any file.
  bool IsEmpty();
  /// Those of the file.
  const std::vector<HeldLock>& Of(const FileStatus& file);
  /// "process 91 (python3) holds a LEASE write on it".
  std::string Describe(const HeldLock& held);

 private:
  /// Device (major, minor) and number.
  using Inode = std::tuple<unsigned, unsigned, std::uint64_t>;
  static bool ParseLine(const std::string& line, HeldLock* lock, Inode* inode);
  void Read();

  Host& host_;
  const Kinds kinds_;
  bool read_ = false;
  std::map<Inode, std::vector<HeldLock>> held_;
};

}  // namespace crgen::preflight
