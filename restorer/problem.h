// SPDX-License-Identifier: Apache-2.0
// What stops a restore.
#pragma once

#include <cstdint>
#include <string>

namespace crgen::restorer {

/// Which command went wrong, and how: for messages with the place in the plan.
struct RestoreProblem {
  std::string what = {};      ///< empty: none
  std::int64_t command = -1;  ///< -1: not one command's

  explicit operator bool() const { return !what.empty(); }
};

/// "call: message of errno".
std::string ErrorText(const std::string& call);

}  // namespace crgen::restorer
