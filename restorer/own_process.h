// SPDX-License-Identifier: Apache-2.0
// What is done with ids, a root or a working directory that this process is not to have.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

namespace crgen::restorer {

/// What such a process says: a call that has failed, and as whom.
struct Answer {
  const char* call = nullptr;  ///< a literal; null: nothing has failed
  int error = 0;
  const char* there = nullptr;  ///< a literal: what is in the way, where no call has failed
  bool has_uid = false;
  std::uint32_t uid = 0;

  /// With errno.
  void Fails(const char* what);
};

/// setfsuid(2) and its like, SYS_setfsuid or SYS_setfsgid. They do not say whether they have.
bool SetFsId(long call, std::uint32_t id);

/// Runs `act` in a process of its own. Empty, or what has failed of `what`.
std::string InOwnProcess(const std::string& what, const std::function<void(Answer*)>& act);

}  // namespace crgen::restorer
