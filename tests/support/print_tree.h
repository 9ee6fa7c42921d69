// SPDX-License-Identifier: Apache-2.0
// The notation of a tree, for messages and to read it again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/tree.h"

namespace crgen::test {

inline void PrintProcess(const TreeNode& node, std::string* out) {
  out->append(std::to_string(node.pid)).append(" ");
  out->append(std::to_string(node.pgid)).append(" ");
  out->append(std::to_string(node.sid)).append(" ");
  if (node.zombie) out->append("z ");
  if (node.subreaper) out->append("r ");
  for (std::size_t i = 0; i < node.tids.size(); ++i) {
    out->append(i == 0 ? "t=" : ",").append(std::to_string(node.tids[i]));
  }
  if (!node.tids.empty()) out->append(" ");
  out->append("[");
}

/// In one line, children by index. ParseTree() of it gives the same tree.
inline std::string PrintTree(const TreeSnapshot& snapshot) {
  const auto& nodes = snapshot.nodes;
  std::string text;
  if (nodes.empty()) return text;
  std::vector<std::int32_t> first_child(nodes.size(), -1);
  std::vector<std::int32_t> next_sibling(nodes.size(), -1);
  for (std::size_t i = nodes.size(); i-- > 1;) {
    auto parent = static_cast<std::size_t>(nodes[i].parent);
    next_sibling[i] = first_child[parent];
    first_child[parent] = static_cast<std::int32_t>(i);
  }
  std::size_t at = 0;
  PrintProcess(nodes[0], &text);
  for (;;) {
    if (first_child[at] >= 0) {  // each child is taken off its parent's list as it is printed
      auto child = static_cast<std::size_t>(first_child[at]);
      first_child[at] = next_sibling[child];
      text.append(" ");
      PrintProcess(nodes[child], &text);
      at = child;
      continue;
    }
    text.append(text.back() == '[' ? "]" : " ]");
    if (at == 0) return text;
    at = static_cast<std::size_t>(nodes[at].parent);
  }
}

}  // namespace crgen::test
