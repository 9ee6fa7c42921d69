// SPDX-License-Identifier: Apache-2.0
#include "generator/tree/analyzer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "generator/tree/adoption.h"
#include "generator/tree/births.h"
#include "generator/tree/consistency.h"
#include "generator/tree/gone.h"
#include "generator/tree/groups.h"
#include "generator/tree/orphans.h"
#include "generator/tree/sequence.h"
#include "generator/tree/simulate.h"

namespace crgen {
namespace {

/// Trees of more processes get fewer attempts, so that a refusal does not take minutes, and an
/// answer not twice the time.
constexpr std::size_t kLarge = 100000;

/// From births to commands; the simulation has the last word.
Result PlanBirths(const TreeSnapshot& snapshot, BirthTree* tree, TreePlan* plan,
                  TreeRefusal* refusal) {
  *plan = {};
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
    const BirthIndex index(i);
    plan->invented.push_back(
        {tree->numbers[tree->births[i].pid].value, InventionReason(*tree, index)});
  }
  return Result::kOk;
}

/// The root, and only it, adopts orphans. *siblings: whether they may fork each other; afterwards
/// whether that made a difference.
Result PlanFlat(const TreeSnapshot& snapshot, bool* siblings, TreePlan* plan,
                TreeRefusal* refusal) {
  BirthTree tree(snapshot.nodes.size());
  if (Failed(CheckTree(snapshot, &tree.numbers, refusal)) ||
      Failed(BuildBirthTree(snapshot, *siblings, &tree, refusal))) {
    return Result::kError;
  }
  *siblings = tree.siblings;
  return PlanBirths(snapshot, &tree, plan, refusal);
}

/// With siblings where that takes fewer commands.
Result PlanFlatBest(const TreeSnapshot& snapshot, bool siblings, TreePlan* plan,
                    TreeRefusal* refusal) {
  bool none = false;
  if (!siblings || Failed(PlanFlat(snapshot, &siblings, plan, refusal))) {
    return PlanFlat(snapshot, &none, plan, refusal);
  }
  if (!siblings || snapshot.nodes.size() > kLarge) return Result::kOk;
  TreePlan other;
  TreeRefusal ignored;
  if (Succeeded(PlanFlat(snapshot, &none, &other, &ignored)) &&
      other.ops.size() <= plan->ops.size()) {
    *plan = std::move(other);
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

/// Who becomes a subreaper, if only for a moment; 0: nobody.
Pid SubreaperOf(const TreePlan& plan) {
  const auto found = std::ranges::find(plan.ops, TreeOp::Kind::kSetSubreaper, &TreeOp::kind);
  return found == plan.ops.end() ? 0 : found->pid;
}

/// A root that is not init adopts orphans only as a subreaper.
Result PlanWithoutSubreapers(const TreeSnapshot& snapshot, bool clone_parent, TreePlan* plan,
                             TreeRefusal* refusal) {
  bool found = false;
  for (const bool with : {false, true}) {
    if (with && !clone_parent) continue;
    bool siblings = with;
    TreePlan other;
    TreeRefusal why;
    if (Failed(PlanFlat(snapshot, &siblings, &other, &why))) {
      if (refusal->reason.empty()) *refusal = why;
    } else if (const Pid subreaper = SubreaperOf(other); subreaper != 0) {
      if (refusal->reason.empty()) {
        *refusal = {subreaper, "it would have to become a subreaper (PR_SET_CHILD_SUBREAPER)"};
      }
    } else if (!found || other.ops.size() < plan->ops.size()) {
      *plan = std::move(other);
      found = true;
    }
  }
  if (found) *refusal = {};
  return found ? Result::kOk : Result::kError;
}

Result AnalyzeStanding(const TreeRules& rules, const TreeSnapshot& snapshot, TreePlan* plan,
                       TreeRefusal* refusal) {
  *plan = {};
  *refusal = {};
  if (!rules.subreapers) {
    return PlanWithoutSubreapers(snapshot, rules.clone_parent, plan, refusal);
  }
  if (Succeeded(PlanFlatBest(snapshot, rules.clone_parent, plan, refusal))) return Result::kOk;
  unsigned attempts = rules.attempts;
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

}  // namespace

Result AnalyzeTreeWith(const TreeRules& rules, const TreeSnapshot& snapshot, TreePlan* plan,
                       TreeRefusal* refusal) {
  if (snapshot.gone.empty()) return AnalyzeStanding(rules, snapshot, plan, refusal);
  TreeSnapshot standing;
  *plan = {};
  *refusal = {};
  if (Failed(AddGone(snapshot, &standing, refusal)) ||
      Failed(AnalyzeStanding(rules, standing, plan, refusal))) {
    return Result::kError;
  }
  PlanGone(snapshot, plan);
  SimulationError error;
  if (Succeeded(SimulateTree(snapshot, plan->ops, &error))) return Result::kOk;
  *plan = {};
  *refusal = {error.pid,
              "command " + std::to_string(error.op) + " of the plan fails: " + error.what};
  return Result::kError;
}

Result AnalyzeTree(const TreeSnapshot& snapshot, TreePlan* plan, TreeRefusal* refusal) {
  return AnalyzeTreeWith(TreeRules{}, snapshot, plan, refusal);
}

}  // namespace crgen
