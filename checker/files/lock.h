// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checker/files/rules.h"

namespace crgen::check {

/// F_SETLK and F_OFD_SETLK of fcntl(2), flock(2): what they refuse whoever else has locks.
template <>
struct LateRules<LockSetting> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const LockSetting& setting);
};

/// F_SETLEASE of fcntl(2).
template <>
struct LateRules<LeaseSetting> {
  static std::optional<Refusal> Check(const Kernel& kernel, const Description& description,
                                      const LeaseSetting& setting);
};

}  // namespace crgen::check
