// SPDX-License-Identifier: Apache-2.0
// What is legal in a restore program but suspect: commands that have no effect on where it ends.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "checker/check.h"

namespace crgen {

/// Commands of some kinds: how many a program has, and how many at least lead to where it ends.
struct CommandBound {
  struct Kind {
    std::size_t count = 0;
    std::size_t least = 0;
  };
  /// FORK, SET_SID, SET_PGID that creates a group, CREATE_THREAD, EXIT and RESUME, OPEN_FILE.
  enum : std::size_t { kFork, kSetSid, kNewGroup, kThread, kEnd, kOpen, kKinds };
  std::array<Kind, kKinds> kinds;

  std::size_t Count() const;
  std::size_t Least() const;
};

/// The least number of commands that end in `state`, and what `program` has of the same kinds:
/// - a FORK, and an EXIT or RESUME, for each process that is left, for each that only gave its pid
///   to a session or group, and, if no FORK has CLONE_PARENT, for each that must have died so that
///   a process of one session is a child of another;
/// - a SET_SID for each session, and a SET_PGID for each group that no SET_SID creates;
/// - a CREATE_THREAD for each thread;
/// - an OPEN_FILE for each open file description (one for both that a call makes), and for each
///   opening that was mapped.
/// Commands of other kinds are not counted: what they are needed for depends on the order.
/// REQUIRES: CheckProgram found nothing wrong in `program` and filled `state`.
/// Cost: O(n log n), memory likewise.
CommandBound BoundCommands(const Program& program, const SimulatedState& state);

/// Adds a warning for
/// - an EXIT without a WAIT, of a process that is no zombie of `snapshot`; without a snapshot, of
///   one that is left to the restorer, outside the tree;
/// - a descriptor that is closed, replaced by DUP_FD or lost by EXIT without any use: nobody mapped
///   it, duplicated it or inherited it;
/// - more commands than BoundCommands says are needed.
/// `snapshot`: what the program is to restore, or null. REQUIRES and cost as for BoundCommands.
void FindSuspects(const Program& program, const SimulatedState& state, const Snapshot* snapshot,
                  Diagnostics& diag);

}  // namespace crgen
