// Where the generator's parts put their commands.
#pragma once

#include <utility>

#include "dsl/commands.h"

namespace crgen {

/// The program under construction.
class Emitter {
 public:
  explicit Emitter(Program* program) : program_(*program) {}

  template <typename Body>
  void Emit(Pid pid, Body body) {
    program_.push_back({pid, std::move(body)});
  }

 private:
  Program& program_;
};

}  // namespace crgen
