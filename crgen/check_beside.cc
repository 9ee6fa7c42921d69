// SPDX-License-Identifier: Apache-2.0
#include "crgen/check_beside.h"

namespace crgen {

CheckBeside::CheckBeside(const Program& program, std::launch policy)
    : program_(program),
      check_(program, findings_),
      result_(std::async(policy, [this] { return Run(); })) {}

CheckBeside::~CheckBeside() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  changed_.notify_one();
}

void CheckBeside::Follow(std::size_t count) {
  const std::lock_guard lock(mutex_);
  count_ = count;
  changed_.notify_one();
}

void CheckBeside::Complete() {
  const std::lock_guard lock(mutex_);
  complete_ = true;
  changed_.notify_one();
}

Result CheckBeside::Run() {
  for (std::size_t done = 0;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ > done || complete_ || abandoned_; });
    if (abandoned_) return Result::kError;
    const std::size_t count = count_;
    const bool complete = complete_;
    lock.unlock();
    const std::lock_guard looking(looking_);
    if (complete) {
      SimulatedState state;
      const Result result = check_.Finish(&state);
      return Failed(result) ? result : CheckComplete(program_, state, findings_);
    }
    check_.RunTo(count);
    done = count;
  }
}

Result CheckBeside::Verdict(Diagnostics& diag) {
  const Result result = result_.get();
  for (const Diagnostic& finding : findings_.entries()) diag.Add(finding);
  return result;
}

}  // namespace crgen
