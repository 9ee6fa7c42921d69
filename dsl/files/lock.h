// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "model/files/lock.h"

namespace crgen {

template <>
struct Describe<FileLock> {
  static constexpr auto kFields = std::tuple{
      Required("kind", &FileLock::kind, "LEASE stands alone, and is set after all others"),
      Required("type", &FileLock::type, "F_RDLCK: shared, F_WRLCK: exclusive"),
      Optional("start", &FileLock::start, "POSIX, OFD: bytes"),
      Optional("length", &FileLock::length, "POSIX, OFD: bytes; 0: to the end"),
      Optional("breaking", &FileLock::breaking, "LEASE: what somebody is breaking it to")};
};

template <>
struct Describe<LockSetting> {
  static constexpr auto kFields = std::tuple{
      Required("locks", &LockSetting::locks,
               "of a file; POSIX ones are those of the process that executes the command")};
};

template <>
struct Describe<LeaseSetting> {
  static constexpr auto kFields =
      std::tuple{Required("locks", &LeaseSetting::locks, "one of kind LEASE")};
};

}  // namespace crgen
