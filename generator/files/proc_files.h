// SPDX-License-Identifier: Apache-2.0
// Files of proc(5) and descriptors of processes among a snapshot's: one can be opened only while
// its process or thread is there.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "generator/creation_tree.h"
#include "generator/files/opening.h"
#include "model/diagnostics.h"
#include "model/snapshot.h"

namespace crgen {

/// Knows which processes and threads of the snapshot are there already, if any file asks for that.
class ProcFiles {
 public:
  explicit ProcFiles(const Snapshot& snapshot);

  /// Says behind which birth files can be opened.
  void PlanOpenings(const Snapshot& snapshot, const CreationTree& tree, Openings& openings) const;

  /// The threads of `pid` are to be there before it has children.
  bool WantsThreadsEarly(Pid pid) const { return early_.contains(pid); }

  /// A process or thread is made.
  void Appears(Pid number) { absent_.erase(number); }

  /// Unsupported: `file` is opened before what it belongs to is there.
  Result Check(const File& file, Diagnostics& diag) const;

 private:
  std::unordered_map<Pid, Pid> threads_;  ///< further threads and their processes
  std::unordered_set<Pid> early_;
  std::unordered_set<Pid> absent_;  ///< those that files belong to, and are to come
};

}  // namespace crgen
