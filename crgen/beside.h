// SPDX-License-Identifier: Apache-2.0
// What is done with a program while it is emitted, in a thread of its own.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <future>
#include <mutex>

#include "generator/program_follower.h"

namespace crgen {

class Beside final : public ProgramFollower {
 public:
  /// Looks at the first `end` commands, which do not move while it does; `complete`: at all that
  /// the program has, for the last time. What it throws, Wait() throws.
  using Look = std::function<void(std::size_t end, bool complete)>;
  /// `policy` deferred: no thread, Wait() has all done.
  Beside(Look look, std::launch policy);
  ~Beside() override;

  // For the thread that emits.
  void Follow(std::size_t count) override;
  std::unique_lock<std::mutex> Pause() override { return std::unique_lock(looking_); }
  void Complete() override;

  /// REQUIRES: Complete().
  void Wait() { done_.get(); }

 private:
  void Run();

  Look look_;
  std::mutex looking_;  // held while commands are read
  std::mutex mutex_;    // of the members up to the next comment
  std::condition_variable changed_;
  std::size_t count_ = 0;
  bool complete_ = false;
  bool abandoned_ = false;
  // Last: it uses the others.
  std::future<void> done_;
};

}  // namespace crgen
