// SPDX-License-Identifier: Apache-2.0
// From the snapshot to the program: the six steps of the restore program's definition, in order.
// This folder may include: dsl, model.
#pragma once

#include "dsl/commands.h"
#include "generator/memory/page_diff.h"
#include "generator/program_follower.h"
#include "generator/tree/analyzer.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

struct GenerateOptions {
  /// What the root's FORK says of the program; may be null.
  std::shared_ptr<const About> about;
  /// Which system calls rebuild the tree.
  TreeRules tree = {};
};

enum class GenerateOutcome {
  kOk,
  kBadInput,         ///< the snapshot contradicts itself, or page images cannot be read
  kUnsupported,      ///< something that no command can say is in the way of the rest
  kUnreachableTree,  ///< no sequence of system calls leads to this process tree
};

/// Writes into `*program` the commands that rebuild `snapshot`, the fewest that it finds.
/// `read_page` is asked for pages that parent and child may share. Reports to `diag`. `follower`,
/// which may be null, is told what is emitted; the caller, who may add to it, says when that is
/// all. Cost: linear in processes, regions and descriptors, n log n in what they share.
GenerateOutcome GenerateProgram(const Snapshot& snapshot, const GenerateOptions& options,
                                const PageReader& read_page, Program* program, Diagnostics& diag,
                                ProgramFollower* follower = nullptr);

/// Whether the session of the root leads out of the tree, and so will be the restorer's.
bool ReachesOutside(const TreeSnapshot& tree);

/// The tree as the analyzer wants it: a session or group of the root that leads out of the tree
/// becomes 0. Error: the outside number is a process of the tree.
Result PrepareTree(const TreeSnapshot& tree, TreeSnapshot* prepared, TreeRefusal* refusal);
Result PrepareTree(const TreeSnapshot& tree, TreeSnapshot* prepared, Diagnostics& diag);

}  // namespace crgen
