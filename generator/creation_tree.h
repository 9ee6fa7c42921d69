// Who creates whom: the processes of a plan, the invented ones included, in the order of their
// births. Inheritance follows this tree, not the snapshot's, where orphans have moved.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generator/tree/analyzer.h"
#include "model/snapshot.h"

namespace crgen {

/// One process of the plan. Nodes are in birth order, so a creator comes before what it creates.
struct CreationNode {
  Pid pid = 0;
  std::int32_t process = -1;           ///< index in Snapshot::processes; -1: invented
  std::int32_t creator = -1;           ///< node; -1: the restorer
  std::int32_t birth = -1;             ///< index of its FORK among the operations
  std::vector<std::int32_t> children;  ///< nodes, in birth order
};

struct CreationTree {
  std::vector<CreationNode> nodes;
  std::vector<std::int32_t> executor;  ///< for each operation the node; -1: the restorer
  std::vector<std::int32_t> node_of;   ///< for each process of the snapshot its node

  /// The snapshot's process at `node`, alive; nullptr for the invented and for zombies, whose
  /// files and memory end with them.
  const Process* Living(const Snapshot& snapshot, std::int32_t node) const {
    const std::int32_t process = nodes[node].process;
    if (process < 0 || snapshot.processes[process].state == ProcessState::kZombie) return nullptr;
    return &snapshot.processes[process];
  }
};

CreationTree BuildCreationTree(const Snapshot& snapshot, std::span<const TreeOp> ops);

}  // namespace crgen
