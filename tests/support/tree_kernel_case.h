// SPDX-License-Identifier: Apache-2.0
// A tree plan as a case for the real kernel.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "generator/tree/analyzer.h"
#include "generator/tree_commands.h"
#include "model/tree.h"
#include "tests/support/kernel_runner.h"

namespace crgen::test {

/// How the processes of the namespace are not those of `snapshot`; "": they are.
inline std::string CompareTree(const TreeSnapshot& snapshot, const KernelView& view) {
  std::map<Pid, ProcEntry> found;
  if (!ReadProcesses(view.proc, &found)) return "/proc cannot be read";
  if (view.init_is_outside) found.erase(1);
  for (const TreeNode& node : snapshot.nodes) {
    const auto entry = found.find(node.pid);
    if (entry == found.end()) return "process " + std::to_string(node.pid) + " is missing";
    std::string text;
    auto same = [&](const char* name, Pid is, Pid expected) {
      if (is == expected) return;
      text += std::string(text.empty() ? "process " + std::to_string(node.pid) : "") + " has " +
              name + " " + std::to_string(is) + ", not " + std::to_string(expected);
    };
    const bool is_root = node.parent < 0;
    same("ppid", view.Named(entry->second.ppid),
         is_root ? 0 : snapshot.nodes[static_cast<std::size_t>(node.parent)].pid);
    same("pgid", entry->second.pgid, node.pgid);
    same("sid", entry->second.sid, node.sid);
    same("a zombie's state:", entry->second.state == 'Z', node.zombie);
    if (!node.zombie) same("child_subreaper", view.IsSubreaper(node.pid), node.subreaper);
    if (!text.empty()) return text;
    found.erase(entry);
  }
  return found.empty() ? "" : "process " + std::to_string(found.begin()->first) + " is left";
}

/// `ops` run for real, and what they end in compared with `snapshot`.
inline KernelCase TreeCase(const TreeSnapshot& snapshot, const std::vector<TreeOp>& ops) {
  KernelCase result;
  for (const TreeOp& op : ops) result.program.push_back(TreeCommand(op));
  result.compare = [snapshot](const KernelView& view) { return CompareTree(snapshot, view); };
  return result;
}

}  // namespace crgen::test
