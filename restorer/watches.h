// Watches of inotify(7) and marks of fanotify(7). They are set from outside, when everybody has
// everything and nobody runs: so nothing that the restore itself opens is among the events, and
// nobody waits for a listener that does not answer yet.
#pragma once

#include "dsl/commands.h"
#include "preflight/host_files.h"
#include "restorer/compile.h"
#include "restorer/problem.h"
#include "restorer/restore.h"

namespace crgen::restorer {

/// REQUIRES: all threads have their numbers, and are stopped. The problem, or none.
RestoreProblem SetWatches(const Program& program, const Script& script, const HostFiles& files);

}  // namespace crgen::restorer
