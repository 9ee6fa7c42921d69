// SPDX-License-Identifier: Apache-2.0
#include "crgen/check_beside.h"

namespace crgen {

CheckBeside::CheckBeside(const Program& program, std::launch policy)
    : program_(program),
      check_(program, findings_),
      beside_([this](std::size_t end, bool complete) { Look(end, complete); }, policy) {}

void CheckBeside::Look(std::size_t end, bool complete) {
  if (!complete) return check_.RunTo(end);
  SimulatedState state;
  result_ = check_.Finish(&state);
  if (Succeeded(result_)) result_ = CheckComplete(program_, state, findings_);
}

Result CheckBeside::Verdict(Diagnostics& diag) {
  beside_.Wait();
  diag.AddAll(findings_);
  return result_;
}

}  // namespace crgen
