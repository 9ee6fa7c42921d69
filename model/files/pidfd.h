// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/ids.h"

namespace crgen {

/// pidfd_entry: pidfd_open(2). Exactly one of the two.
struct Pidfd {
  static constexpr std::string_view kType = "PIDFD";
  std::optional<PidReference> target;  ///< a process, also a zombie; with `thread` any thread
  std::optional<DeadId> dead;          ///< a process that is gone; equal ids: the same one
  bool thread = false;                 ///< PIDFD_THREAD
  friend bool operator==(const Pidfd&, const Pidfd&) = default;
};

}  // namespace crgen
