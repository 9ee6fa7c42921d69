// The self-check: whether the program that is emitted is right.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <future>
#include <mutex>

#include "dsl/check.h"
#include "dsl/commands.h"
#include "model/diagnostics.h"

namespace crgen {

/// Checks a program while it is emitted, in a thread of its own.
class CheckBeside {
 public:
  /// `program` must outlive it. `policy` deferred: no thread, all is done by Verdict().
  CheckBeside(const Program& program, std::launch policy);
  ~CheckBeside();

  // For the thread that emits.

  /// The first `count` commands are there and stay as they are.
  void Follow(std::size_t count);
  /// While the lock is held, nobody looks at the commands, which may move in memory.
  std::unique_lock<std::mutex> Pause() { return std::unique_lock(looking_); }
  /// The program is complete.
  void Complete();

  /// Waits for the end of the check; adds its findings to `diag`. REQUIRES: Complete().
  Result Verdict(Diagnostics& diag);

 private:
  Result Run();

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
