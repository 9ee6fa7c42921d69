// SPDX-License-Identifier: Apache-2.0
// The pid namespace from outside in which the root of a tree is born.
#pragma once

#include <string>

#include "dsl/commands.h"
#include "preflight/host_files.h"
#include "restorer/momentary_name.h"
#include "restorer/restore.h"

namespace crgen::restorer {

/// That one; nullptr: the root is born in this process's, or in a new one. What is orphaned there
/// goes to its init: to no subreaper above the root (find_new_reaper() of the kernel).
const PidNamespace* OuterPidNamespace(const Program& program, const RestoreOptions& options);

/// To be put behind the problem that nobody could be born there with `number`: why, as far as
/// `error` of clone3(2) says it, and what helps. REQUIRES: there is one.
std::string WhyNobodyIsBorn(const Program& program, const RestoreOptions& options,
                            const HostFiles& files, pid_t number, int error);

/// While it lives, children of this process are born in OuterPidNamespace(), if there is one.
class PidVisit {
 public:
  PidVisit(const Program& program, const RestoreOptions& options, const HostFiles& files);
  ~PidVisit() { Leave(); }
  PidVisit(const PidVisit&) = delete;
  PidVisit& operator=(const PidVisit&) = delete;
  /// Empty, or what failed so far.
  const std::string& problem() const { return problem_; }
  /// Back, before it dies. Empty, or what failed.
  std::string Leave();

 private:
  ScopedFd own_;  ///< where to go back to; none: it is there
  std::string problem_;
};

}  // namespace crgen::restorer
