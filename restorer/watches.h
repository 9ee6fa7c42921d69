// SPDX-License-Identifier: Apache-2.0
// Watches of inotify(7) and marks of fanotify(7). They are set from outside, when everybody has
// everything and nobody runs: so nothing that the restore itself opens is among the events, and
// nobody waits for a listener that does not answer yet.
#pragma once

#include <map>

#include "dsl/commands.h"
#include "preflight/host_files.h"
#include "restorer/late_files.h"
#include "restorer/problem.h"
#include "restorer/tree_paths.h"

namespace crgen::restorer {

/// Where what is watched is found.
struct WatchedFiles {
  const HostFiles& files;                             ///< what preflight holds
  const TreePaths& paths;                             ///< for what it does not
  const std::map<UnlinkedId, std::string>& unlinked;  ///< descriptors of what has no name
};

/// What marks of inodes ignore until somebody writes: later, when somebody has the file open for
/// writing, the kernel would drop it in silence. As SetWatches(). REQUIRES: no process exists.
RestoreProblem SetIgnored(const Program& program, const LateFiles& late_files,
                          const std::map<FileId, int>& groups, const WatchedFiles& files);

/// `late_files` are of the program; `groups`: the descriptions that watch. REQUIRES: all threads
/// are stopped. The problem, or none.
RestoreProblem SetWatches(const Program& program, const LateFiles& late_files,
                          const std::map<FileId, int>& groups, const WatchedFiles& files);

}  // namespace crgen::restorer
