// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include "generator/tree/alternatives.h"
#include "generator/tree/rule_text.h"

namespace crgen {
namespace {

bool IsByHeuristic(const InventedProcess& invented) { return invented.reason != kFoundBySearch; }

constexpr std::size_t kDeepest = 30;  ///< deeper processes stand below each other

std::string NodeText(const TreeNode& node) {
  std::string text = std::to_string(node.pid) + " group " + std::to_string(node.pgid) +
                     " session " + std::to_string(node.sid);
  if (node.zombie) text += " zombie";
  if (node.subreaper) text += " subreaper";
  if (!node.tids.empty()) text += ", further threads: " + std::to_string(node.tids.size());
  return text;
}

}  // namespace

std::string RuleText(const TreeOp& op) {
  std::string arg = std::to_string(op.arg);
  switch (op.kind) {
    case TreeOp::Kind::kFork:
      if (op.pid == 0) return "fork: the root " + arg;
      return op.clone_parent ? "fork: sibling " + arg + " (CLONE_PARENT)" : "fork: child " + arg;
    case TreeOp::Kind::kSetSid:
      return "setsid: leads session and group " + std::to_string(op.pid);
    case TreeOp::Kind::kSetPgid:
      return op.arg == op.pid ? "setpgid: founds group " + arg : "setpgid: joins group " + arg;
    case TreeOp::Kind::kExit:
      return "exit: its children go to the nearest subreaper above, else to the reaper";
    case TreeOp::Kind::kWait:
      return "wait: " + arg + " is gone";
    case TreeOp::Kind::kSetSubreaper:
      return op.arg != 0 ? "subreaper: on" : "subreaper: off";
  }
  return "";
}

std::string DrawTree(const TreeSnapshot& snapshot) {
  // From the last one back: whoever has a sibling behind it is known when it is met.
  const std::size_t count = snapshot.nodes.size();
  std::vector<std::size_t> depth(count, 0);
  std::vector<bool> last(count, true), has_child(count, false);
  for (std::size_t i = 0; i < count; ++i) {
    const ProcessIndex parent = snapshot.nodes[i].parent;
    if (parent >= 0) depth[i] = depth[static_cast<std::size_t>(parent.value)] + 1;
  }
  for (std::size_t i = count; i-- > 0;) {
    const ProcessIndex parent = snapshot.nodes[i].parent;
    if (parent < 0) continue;
    last[i] = !has_child[static_cast<std::size_t>(parent.value)];
    has_child[static_cast<std::size_t>(parent.value)] = true;
  }
  std::string text;
  std::vector<bool> open;  // by depth: a line goes on below
  for (std::size_t i = 0; i < count; ++i) {
    open.resize(depth[i] + 1);
    open[depth[i]] = !last[i];
    for (std::size_t level = 1; level < std::min(depth[i], kDeepest); ++level)
      text += open[level] ? "│ " : "  ";
    if (depth[i] > 0) text += last[i] ? "└─ " : "├─ ";
    text += NodeText(snapshot.nodes[i]) + "\n";
  }
  return text;
}

std::string DescribeDerivation(const TreeSnapshot& snapshot, const TreePlan& plan) {
  std::string text = "processes: " + std::to_string(snapshot.nodes.size()) +
                     ", commands: " + std::to_string(plan.ops.size()) +
                     ", invented: " + std::to_string(plan.invented.size()) + "\n";
  for (const TreeOp& op : plan.ops) {
    std::string pid = op.pid == 0 ? "restorer" : std::to_string(op.pid);
    text.append("  ").append(pid);
    text.append(pid.size() < 9 ? 9 - pid.size() : 1, ' ').append(RuleText(op)).append("\n");
  }
  for (const InventedProcess& invented : plan.invented) {
    text += "invented " + std::to_string(invented.pid) + ": " + invented.reason + "\n";
  }
  if (std::ranges::any_of(plan.invented, IsByHeuristic)) {
    text +=
        "Heuristics find who is gone by what is left: 1, a session or group whose leader is not "
        "there had\none; 2, who lives in a session that no ancestor is in was born to somebody who "
        "was, and died;\n3, one such parent serves all. They are as few as are found, and gone "
        "when all is done.\n";
  }
  return text;
}

}  // namespace crgen
