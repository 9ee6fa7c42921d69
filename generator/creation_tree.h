// SPDX-License-Identifier: Apache-2.0
// Who creates whom: the processes of a plan, the invented ones included, in the order of their
// births. Inheritance follows this tree, not the snapshot's, where orphans have moved.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generator/inheritance.h"
#include "generator/tree/analyzer.h"
#include "model/snapshot.h"

namespace crgen {

using NodeIndex = Index<struct NodeIndexTag>;  ///< in CreationTree::nodes

/// One process of the plan. Nodes are in birth order, so a creator comes before what it creates.
struct CreationNode {
  Pid pid = 0;
  ProcessIndex process;             ///< none: invented
  NodeIndex creator;                ///< none: the restorer
  TreeTime birth;                   ///< its FORK
  std::vector<NodeIndex> children;  ///< in birth order
};

struct CreationTree {
  std::vector<CreationNode> nodes;
  std::vector<NodeIndex> executor;  ///< for each operation; none: the restorer
  std::vector<NodeIndex> node_of;   ///< for each process of the snapshot

  /// The snapshot's process at `node`, alive; nullptr for the invented and for zombies, whose
  /// files and memory end with them.
  const Process* Living(const Snapshot& snapshot, NodeIndex node) const {
    const ProcessIndex process = nodes[node].process;
    if (process < 0 || snapshot.processes[process].state == ProcessState::kZombie) return nullptr;
    return &snapshot.processes[process];
  }
};

CreationTree BuildCreationTree(const Snapshot& snapshot, std::span<const TreeOp> ops);

}  // namespace crgen
