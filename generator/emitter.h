// Where the generator's parts put their commands.
#pragma once

#include <utility>

#include "dsl/commands.h"
#include "generator/check_beside.h"

namespace crgen {

/// The program under construction.
class Emitter {
 public:
  /// `check`, which may be null, follows what is emitted.
  Emitter(Program* program, CheckBeside* check) : program_(*program), check_(check) {}

  template <typename Body>
  void Emit(Pid pid, Body body) {
    if (check_ == nullptr) {
      program_.push_back({pid, std::move(body)});
      return;
    }
    std::unique_lock<std::mutex> pause;
    if (program_.size() == program_.capacity()) pause = check_->Pause();
    program_.push_back({pid, std::move(body)});
    if (program_.size() % kStep == 0) check_->Follow(program_.size());
  }

 private:
  static constexpr std::size_t kStep = 1024;

  Program& program_;
  CheckBeside* check_;
};

}  // namespace crgen
