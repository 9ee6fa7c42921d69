#include <string>

#include "generator/tree/analyzer.h"

namespace crgen {
namespace {

std::string Rule(const TreeOp& op) {
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

}  // namespace

std::string DescribeDerivation(const TreeSnapshot& snapshot, const TreePlan& plan) {
  std::string text = "processes: " + std::to_string(snapshot.nodes.size()) +
                     ", commands: " + std::to_string(plan.ops.size()) +
                     ", invented: " + std::to_string(plan.invented.size()) + "\n";
  for (const TreeOp& op : plan.ops) {
    std::string pid = op.pid == 0 ? "restorer" : std::to_string(op.pid);
    text.append("  ").append(pid);
    text.append(pid.size() < 9 ? 9 - pid.size() : 1, ' ').append(Rule(op)).append("\n");
  }
  for (const InventedProcess& invented : plan.invented) {
    text += "invented " + std::to_string(invented.pid) + ": " + invented.reason + "\n";
  }
  return text;
}

}  // namespace crgen
