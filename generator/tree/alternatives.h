// SPDX-License-Identifier: Apache-2.0
// All shortest ways to a small process tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "generator/tree/analyzer.h"

namespace crgen {

/// Two derivations are one where every process makes the same calls in the same order, whatever the
/// order between processes, of forks with no other call of their parent between them, and whatever
/// the numbers of invented processes.
struct Derivations {
  static constexpr std::size_t kMostProcesses = 10;
  static constexpr std::size_t kMostCommands = 24;
  static constexpr std::size_t kMostStates = 30'000;
  static constexpr std::size_t kMostFound = 1'000;

  std::size_t commands = 0;                ///< of the shortest; 0: there are too many to look at
  bool whole = true;                       ///< there are no others
  std::vector<std::vector<TreeOp>> found;  ///< one order of each
};

/// Why they have who is in no snapshot; no heuristic says so.
inline constexpr const char* kFoundBySearch = "born and gone, found by the search";

/// The derivations of `snapshot` that take the fewest commands, of the kinds that `plan` takes;
/// `plan` is one from AnalyzeTree(). Every process that is gone has a number of its own. A search:
/// trees of more than kMostProcesses, plans of more than kMostCommands, are not looked at, and it
/// ends after kMostStates states, or kMostFound derivations.
Derivations FindDerivations(const TreeSnapshot& snapshot, const TreePlan& plan);

/// The calls of each process, which say which derivation it is: equal for equal ones.
std::string DerivationKey(const TreeSnapshot& snapshot, const std::vector<TreeOp>& ops);

/// Those of `derivations` that are others than `plan`.
std::vector<const std::vector<TreeOp>*> OthersThan(const TreeSnapshot& snapshot,
                                                   const TreePlan& plan,
                                                   const Derivations& derivations);

/// For people: how many there are beside `plan`, and up to ten of them.
std::string DescribeAlternatives(const TreeSnapshot& snapshot, const TreePlan& plan,
                                 const Derivations& derivations);

}  // namespace crgen
