// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/flags.h"
#include "model/ids.h"
#include "model/values.h"

namespace crgen {

/// eventpoll_file_entry: epoll_create1(2).
struct Eventpoll {
  static constexpr std::string_view kType = "EVENTPOLL";
  friend bool operator==(const Eventpoll&, const Eventpoll&) = default;
};

/// What of epoll_event::events says how it is watched, not for what (EP_PRIVATE_BITS).
inline constexpr std::uint64_t kEpollExclusive = 1u << 28, kEpollWakeup = 1u << 29,
                               kEpollOneShot = 1u << 30, kEpollEdge = 1u << 31;
inline constexpr std::uint64_t kEpollModes =
    kEpollExclusive | kEpollWakeup | kEpollOneShot | kEpollEdge;

struct EpollTarget {
  Fd fd = 0;           ///< of the process that adds it
  EpollEvents events;  ///< EPOLLONESHOT without types: it has fired
  Hex data;
  /// Whether EPOLLONESHOT has fired: nothing more comes before somebody arms it again.
  bool HasFired() const { return events.Has(kEpollOneShot) && (events.bits & ~kEpollModes) == 0; }
  friend bool operator==(const EpollTarget&, const EpollTarget&) = default;
};

/// Late state of an EVENTPOLL: epoll_ctl(2), EPOLL_CTL_ADD.
struct EpollTargets {
  std::vector<EpollTarget> targets;
  friend bool operator==(const EpollTargets&, const EpollTargets&) = default;
};

/// EP_MAX_NESTS: a set watches sets that watch sets …, at most so many below each other.
inline constexpr int kEpollNests = 4;

}  // namespace crgen
