// SPDX-License-Identifier: Apache-2.0
// Arguments that system calls take from memory, where no seccomp(2) filter looks. These lie in a
// page that is never written, so that a filter can name them by their addresses.
#pragma once

#include <linux/openat2.h>

#include <array>
#include <cstddef>

#include "model/ids.h"

namespace crgen {

/// Has its pages to itself.
struct alignas(kPageSize) FixedArguments {
  static constexpr std::size_t kWays = 24;
  std::array<open_how, kWays> ways;  ///< openat2(2): all O_PATH | O_CLOEXEC
  // fsopen(2):
  char tmpfs[8];
  char cgroup[8];
  char cgroup2[8];
  char name[8];  ///< fsconfig(2), FSCONFIG_SET_STRING
};
extern const FixedArguments kFixedArguments;

/// `how`, where it is fixed, if it is one of those; or `&how`.
const open_how* FixedWay(const open_how& how);

}  // namespace crgen
