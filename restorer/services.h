// SPDX-License-Identifier: Apache-2.0
// What the supervisor holds for all processes: memfds, its descriptors.
#pragma once

#include <sys/types.h>

#include <string>
#include <unordered_set>

#include "restorer/compile.h"

namespace crgen::restorer {

/// Makes what `program` needs beside files; `*services` gets the names. Empty, or what failed.
std::string OpenServices(const Program& program, Services* services);

/// Numbers that nobody has, neither on this system nor in the program: from the highest on, which
/// the kernel does not give out for long.
class SpareNumbers {
 public:
  explicit SpareNumbers(const Program& program);
  /// Below the last one.
  pid_t Next();

 private:
  std::unordered_set<pid_t> wanted_;
  pid_t next_ = 32768;
};

}  // namespace crgen::restorer
