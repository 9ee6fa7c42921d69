#include "generator/tree_analyzer.h"

#include "generator/tree_adoption.h"
#include "generator/tree_births.h"
#include "generator/tree_check.h"
#include "generator/tree_groups.h"
#include "generator/tree_orphans.h"
#include "generator/tree_schedule.h"
#include "generator/tree_simulate.h"

namespace crgen {
namespace {

/// From births to commands; the simulation has the last word.
Result PlanBirths(const TreeSnapshot& snapshot, BirthTree* tree, TreePlan* plan,
                  TreeRefusal* refusal) {
  plan->ops.clear();
  plan->ops.reserve(tree->births.size() * 3);
  GroupPlan groups = PlanGroups(*tree);
  if (Failed(ScheduleTree(snapshot, groups, tree, &plan->ops, refusal))) return Result::kError;
  SimulationError error;
  if (Failed(SimulateTree(snapshot, plan->ops, &error))) {
    *refusal = {error.pid, "command " + std::to_string(error.op) + " of the plan fails: " + error.what};
    return Result::kError;
  }
  for (std::size_t i = snapshot.nodes.size(); i < tree->births.size(); ++i) {
    plan->invented.push_back({tree->numbers[tree->births[i].pid].value,
                              InventionReason(*tree, tree->births[i])});
  }
  return Result::kOk;
}

Result PlanDeep(const TreeSnapshot& snapshot, TreePlan* plan, TreeRefusal* refusal) {
  BirthTree tree(snapshot.nodes.size());
  if (Failed(CheckTree(snapshot, &tree.numbers, refusal)) ||
      Failed(BuildDeepBirthTree(snapshot, &tree, refusal))) {
    return Result::kError;
  }
  return PlanBirths(snapshot, &tree, plan, refusal);
}

}  // namespace

Result AnalyzeTreeWith(const TreeRules& rules, const TreeSnapshot& snapshot, TreePlan* plan,
                       TreeRefusal* refusal) {
  *plan = {};
  *refusal = {};
  BirthTree tree(snapshot.nodes.size());
  if (Failed(CheckTree(snapshot, &tree.numbers, refusal))) return Result::kError;
  if (Succeeded(BuildBirthTree(snapshot, &tree, refusal)) &&
      Succeeded(PlanBirths(snapshot, &tree, plan, refusal))) {
    return Result::kOk;
  }
  TreeRefusal deep;
  if (rules.subreapers) {
    if (Succeeded(PlanDeep(snapshot, plan, &deep))) {
      *refusal = {};
      return Result::kOk;
    }
    *refusal = deep;
  }
  *plan = {};
  return Result::kError;
}

Result AnalyzeTree(const TreeSnapshot& snapshot, TreePlan* plan, TreeRefusal* refusal) {
  return AnalyzeTreeWith(TreeRules{}, snapshot, plan, refusal);
}

}  // namespace crgen
