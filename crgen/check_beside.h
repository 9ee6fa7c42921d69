// SPDX-License-Identifier: Apache-2.0
// The self-check: whether the program that is emitted is right.
#pragma once

#include <cstddef>
#include <future>

#include "checker/check.h"
#include "crgen/beside.h"
#include "dsl/commands.h"
#include "model/diagnostics.h"

namespace crgen {

/// Checks a program while it is emitted.
class CheckBeside {
 public:
  /// `program` must outlive it. `policy`: as of Beside.
  CheckBeside(const Program& program, std::launch policy);

  ProgramFollower* follower() { return &beside_; }
  /// The program is as it is to be.
  void Complete() { beside_.Complete(); }

  /// Waits for the end of the check; adds its findings to `diag`. REQUIRES: Complete().
  Result Verdict(Diagnostics& diag);

 private:
  void Look(std::size_t end, bool complete);

  const Program& program_;
  Diagnostics findings_;
  ProgramCheck check_;
  Result result_ = Result::kError;
  // Last: it uses the others.
  Beside beside_;
};

}  // namespace crgen
