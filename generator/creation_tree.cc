// SPDX-License-Identifier: Apache-2.0
#include "generator/creation_tree.h"

#include <unordered_map>

namespace crgen {

CreationTree BuildCreationTree(const Snapshot& snapshot, std::span<const TreeOp> ops) {
  std::unordered_map<Pid, ProcessIndex> process_of;
  for (std::size_t i = 0; i < snapshot.tree.nodes.size(); ++i) {
    process_of.emplace(snapshot.tree.nodes[i].pid, ProcessIndex(i));
  }
  CreationTree tree;
  tree.executor.reserve(ops.size());
  tree.node_of.resize(snapshot.processes.size());
  std::unordered_map<Pid, NodeIndex> current;  // a number may be used again: the latest node
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const TreeOp& op = ops[i];
    const NodeIndex executor = op.pid == 0 ? NodeIndex() : current.at(op.pid);
    tree.executor.push_back(executor);
    if (op.kind != TreeOp::Kind::kFork) continue;
    CreationNode node;
    node.pid = op.arg;
    node.creator = executor;
    node.birth = TreeTime(i);
    const NodeIndex index(tree.nodes.size());
    if (executor >= 0) tree.nodes[executor].children.push_back(index);
    if (auto known = process_of.find(op.arg); known != process_of.end()) {
      // The last to bear the number is the snapshot's process; an earlier one made way for it.
      node.process = known->second;
      NodeIndex& bearer = tree.node_of[node.process];
      if (bearer >= 0) tree.nodes[bearer].process = {};
      bearer = index;
    }
    current[op.arg] = index;
    tree.nodes.push_back(node);
  }
  return tree;
}

}  // namespace crgen
