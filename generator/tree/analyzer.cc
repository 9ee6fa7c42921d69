#include "generator/tree/analyzer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "generator/tree/adoption.h"
#include "generator/tree/births.h"
#include "generator/tree/check.h"
#include "generator/tree/groups.h"
#include "generator/tree/orphans.h"
#include "generator/tree/schedule.h"
#include "generator/tree/simulate.h"

namespace crgen {
namespace {

/// Trees of more processes get fewer attempts, so that a refusal does not take minutes.
constexpr std::size_t kLarge = 100000;

/// From births to commands; the simulation has the last word.
Result PlanBirths(const TreeSnapshot& snapshot, BirthTree* tree, TreePlan* plan,
                  TreeRefusal* refusal) {
  plan->ops.clear();
  plan->ops.reserve(tree->births.size() * 3);
  GroupPlan groups = PlanGroups(*tree);
  if (Failed(ScheduleTree(snapshot, groups, tree, &plan->ops, refusal))) return Result::kError;
  SimulationError error;
  if (Failed(SimulateTree(snapshot, plan->ops, &error))) {
    *refusal = {error.pid,
                "command " + std::to_string(error.op) + " of the plan fails: " + error.what};
    return Result::kError;
  }
  for (std::size_t i = snapshot.nodes.size(); i < tree->births.size(); ++i) {
    auto index = static_cast<std::int32_t>(i);
    plan->invented.push_back(
        {tree->numbers[tree->births[i].pid].value, InventionReason(*tree, index)});
  }
  return Result::kOk;
}

Result PlanDeep(const TreeSnapshot& snapshot, unsigned attempt, bool siblings, TreePlan* plan,
                TreeRefusal* refusal) {
  BirthTree tree(snapshot.nodes.size());
  if (Failed(CheckTree(snapshot, &tree.numbers, refusal)) ||
      Failed(BuildDeepBirthTree(snapshot, attempt, siblings, &tree, refusal))) {
    return Result::kError;
  }
  return PlanBirths(snapshot, &tree, plan, refusal);
}

/// A root that is not init has to become a subreaper to adopt anybody; brothers that fork brothers
/// may spare that.
void TryBrothersAtTheRoot(const TreeSnapshot& snapshot, TreePlan* plan) {
  if (snapshot.nodes[0].pid == 1) return;
  bool adopts = std::any_of(plan->ops.begin(), plan->ops.end(), [&](const TreeOp& op) {
    return op.kind == TreeOp::Kind::kSetSubreaper && op.pid == snapshot.nodes[0].pid;
  });
  TreePlan other;
  TreeRefusal ignored;
  if (!adopts || Failed(PlanDeep(snapshot, 0, true, &other, &ignored))) return;
  if (other.ops.size() < plan->ops.size()) *plan = std::move(other);
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
    if (rules.clone_parent) TryBrothersAtTheRoot(snapshot, plan);
    return Result::kOk;
  }
  unsigned attempts = rules.subreapers ? rules.attempts : 0;
  if (snapshot.nodes.size() > kLarge) attempts = std::min(attempts, 2u);
  for (unsigned attempt = 0; attempt < attempts; ++attempt) {
    TreeRefusal deep;
    if ((rules.clone_parent && Succeeded(PlanDeep(snapshot, attempt, true, plan, &deep))) ||
        Succeeded(PlanDeep(snapshot, attempt, false, plan, &deep))) {
      *refusal = {};
      return Result::kOk;
    }
    if (attempt == 0) *refusal = deep;
  }
  *plan = {};
  return Result::kError;
}

Result AnalyzeTree(const TreeSnapshot& snapshot, TreePlan* plan, TreeRefusal* refusal) {
  return AnalyzeTreeWith(TreeRules{}, snapshot, plan, refusal);
}

}  // namespace crgen
