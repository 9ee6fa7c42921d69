// SPDX-License-Identifier: Apache-2.0
// Where the generator's parts put their commands.
#pragma once

#include <utility>

#include "dsl/commands.h"
#include "generator/program_follower.h"

namespace crgen {

/// The program under construction.
class Emitter {
 public:
  /// `follower`, which may be null, is told what is there.
  Emitter(Program* program, ProgramFollower* follower) : program_(*program), follower_(follower) {}

  template <typename Body>
  void Emit(Pid pid, Body body) {
    if (follower_ == nullptr) {
      program_.push_back({pid, std::move(body)});
      return;
    }
    std::unique_lock<std::mutex> pause;
    if (program_.size() == program_.capacity()) pause = follower_->Pause();
    program_.push_back({pid, std::move(body)});
    if (program_.size() % kStep == 0) follower_->Follow(program_.size());
  }

 private:
  static constexpr std::size_t kStep = 1024;

  Program& program_;
  ProgramFollower* follower_;
};

}  // namespace crgen
