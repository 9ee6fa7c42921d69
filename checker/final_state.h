// SPDX-License-Identifier: Apache-2.0
// What a program ends in, process by process, for whoever judges it.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "checker/check.h"

namespace crgen {

struct FinalThread {
  Pid tid = 0;
  const Attributes* attributes = nullptr;
};

struct FinalRegion {
  AddressRange range;
  Prot prot;
  RegionKind kind = RegionKind::kPrivateAnonymous;
  const File* file = nullptr;    ///< the opening that was mapped; null: none
  const Memfd* memfd = nullptr;  ///< as it was created; null: none
  bool loaded = false;           ///< some of its bytes are out of page images
  std::uint64_t object = 0;      ///< shared memory: regions with the same show the same; 0: none
  Seals seals = {};              ///< those of the memfd
};

/// A process that is there at the end. What it refers to is the state's.
struct FinalProcess {
  Pid pid = 0, sid = 0;
  bool zombie = false;
  std::vector<FinalThread> threads;  ///< the leader first
  std::vector<FinalRegion> regions;  ///< ascending
  std::vector<std::pair<Fd, const File*>> descriptors;
};

/// Calls `function` for each, in the order of births. Cost: linear in what they have.
void ForEachFinalProcess(const SimulatedState& state,
                         const std::function<void(const FinalProcess&)>& function);

}  // namespace crgen
