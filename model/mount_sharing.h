// SPDX-License-Identifier: Apache-2.0
// mount_namespaces(7), SHARED SUBTREES: how mounts that are there come to share their events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/namespaces.h"

namespace crgen {

/// One step, when all mounts are there: `to` joins the groups of `from`, if there is one
/// (move_mount(2), MOVE_MOUNT_SET_GROUP), and then changes its own propagation, if that is not 0
/// (mount_setattr(2), MS_SHARED, MS_SLAVE or MS_UNBINDABLE). Mounts are named by their indices.
struct SharingStep {
  std::optional<std::size_t> from;
  std::size_t to = 0;
  std::uint64_t propagation = 0;
  bool from_caller = false;  ///< instead of `from`: what the caller of a restore has for `to`
  friend bool operator==(const SharingStep&, const SharingStep&) = default;
};

struct MountSharing {
  std::vector<SharingStep> steps;
  /// What the caller of a restore has, and is to go on to get its events from there: MS_SLAVE
  /// before it is attached.
  std::vector<bool> slaves_of_outside;
};

/// Why mount `mount` cannot have the groups that it says.
struct SharingProblem {
  std::size_t mount = 0;
  std::string what;
};

/// For all mounts of a program; mounts are private before. Absent: `*problem` says why not.
/// Linear, but for the order of the groups.
std::optional<MountSharing> PlanSharing(const std::vector<Mount>& mounts, SharingProblem* problem);

}  // namespace crgen
