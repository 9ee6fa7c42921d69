// SPDX-License-Identifier: Apache-2.0
// The self-check: whether the program that is emitted is right.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <future>
#include <mutex>

#include "checker/check.h"
#include "dsl/commands.h"
#include "generator/program_follower.h"
#include "model/diagnostics.h"

namespace crgen {

/// Checks a program while it is emitted, in a thread of its own.
class CheckBeside final : public ProgramFollower {
 public:
  /// `program` must outlive it. `policy` deferred: no thread, all is done by Verdict().
  CheckBeside(const Program& program, std::launch policy);
  ~CheckBeside() override;

  // For the thread that emits.
  void Follow(std::size_t count) override;
  std::unique_lock<std::mutex> Pause() override { return std::unique_lock(looking_); }
  void Complete() override;

  /// Waits for the end of the check; adds its findings to `diag`. REQUIRES: Complete().
  Result Verdict(Diagnostics& diag);

 private:
  Result Run();

  const Program& program_;
  Diagnostics findings_;
  ProgramCheck check_;
  std::mutex looking_;  // held while commands are read
  std::mutex mutex_;    // of the members up to the next comment
  std::condition_variable changed_;
  std::size_t count_ = 0;
  bool complete_ = false;
  bool abandoned_ = false;
  // Last: it uses the others.
  std::future<Result> result_;
};

}  // namespace crgen
