// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "generator/files/planner.h"

namespace crgen {

/// Connections are pairs: socketpair(2), or connect(2) and accept(2) by a process that holds the
/// listener (PlanSockets() sees to that).
template <>
class FilePlanner<UnixSocket> : public PlainPlanner<UnixSocket> {
 public:
  using PlainPlanner::PlainPlanner;

  void PlanOpenings(Openings& openings);
  Result Open(const OpeningSite& site, const std::shared_ptr<const File>& file,
              const UnixSocket& socket, Diagnostics& diag);

 private:
  /// Of one listener, in the order of the snapshot.
  struct Clients {
    std::vector<FileIndex> accepted, waiting;
  };

  static void KeepOrder(const Clients& clients, Openings& openings);

  std::unordered_map<std::uint64_t, FileIndex> file_of_;  ///< by socket id
};

}  // namespace crgen
