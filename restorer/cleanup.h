// SPDX-License-Identifier: Apache-2.0
// All or nothing: how a restore that does not succeed leaves nothing behind.
#pragma once

#include <sys/types.h>

namespace crgen::restorer {

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT ask for an end from here on; calls are interrupted by them.
void ListenForStop();
bool AskedToStop();
/// The four signals wait …
void BlockStop();
/// … are heard …
void UnblockStop();
/// AskedToStop(), or one of them waits.
bool StopIsAsked();
/// … and end this process again, as they do by default.
void DieOfStop();

/// Makes this process the one that adopts what its descendants leave behind
/// (PR_SET_CHILD_SUBREAPER). False: the kernel refuses, errno.
bool AdoptDescendants();

/// Kills and reaps every descendant of this process, and nobody else whatever /proc says. Needs
/// AdoptDescendants(). `orphans_leave`: they would go to the init of a pid namespace that this
/// process has not made, so children are killed before their parents; they are that init's to reap.
void KillDescendants(bool orphans_leave);

}  // namespace crgen::restorer
