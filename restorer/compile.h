// SPDX-License-Identifier: Apache-2.0
// From a program to the script that the processes execute.
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dsl/commands.h"
#include "preflight/host_files.h"
#include "restorer/arena.h"
#include "restorer/files/file_restorer.h"
#include "restorer/late_files.h"
#include "restorer/schedule.h"
#include "restorer/script.h"

namespace crgen::restorer {

/// What the supervisor puts into a thread in the moment it resumes. Points into the program.
struct ThreadStart {
  const Thread* thread = nullptr;
  pid_t number = 0;                      ///< as this pid namespace has it, when it has arrived
  user_regs_struct stopped = {};         ///< where it waits in the executor, when it is stopped
  const Registers* registers = nullptr;  ///< null: the thread cannot resume
  const Fpu* fpu = nullptr;
  std::uint64_t signal_mask = 0;
  std::uint64_t rseq_cs = 0;  ///< not 0: the critical section that the thread is in
  std::uint64_t rseq = 0;
  // Of a tree in a user namespace of its own, which has no rights to that; null: as it is.
  const SchedulingState* scheduling = nullptr;
  const char* oom_score_adj = nullptr;  ///< of a leader
};

/// The FORK that makes a process: the parent's op with this number.
struct Birth {
  const Process* creator = nullptr;
  std::size_t op = 0;
};

/// A connection that goes on at the hand-over, and who has it then.
struct HeldConnection {
  std::optional<std::size_t> process;  ///< index in Script::processes; absent: only messages
  Fd fd = 0;
  const File* file = nullptr;
  const InetSocket* socket = nullptr;  ///< of the program
  SocketOptions options;               ///< the late ones too
  bool shut_for_reading = false;
};

/// The script, in the arena, and what the supervisor knows beside it.
struct Script {
  Setup* setup = nullptr;
  Board* board = nullptr;            ///< where processes write: nothing of it is to be believed
  std::vector<Process*> processes;   ///< as in Schedule::processes; the restorer's ops come first
  std::vector<Birth> births;         ///< of `processes`
  std::vector<ThreadStart> threads;  ///< of all processes that resume
  LateFiles late_files;
  MadeFile* socket_files = nullptr;  ///< what is at the beginning of the board
  StepTimes* times = nullptr;        ///< behind it, of all steps, then of the end of each process
  std::vector<HeldConnection> connections;
  std::string problem;  ///< that has come up; empty: none
};

/// What this process has and the root inherits: attributes that are the same need no system call.
struct OwnState {
  Creds creds;
  int nice = 0;
  int oom_score_adj = 0;
  std::uint32_t loginuid = 0;
  // Offsets of the time namespace that children are born into.
  TimeOp monotonic_offset = {};
  TimeOp boottime_offset = {};
};
OwnState ReadOwnState();

/// `program` has passed Preflight. Throws std::bad_alloc if the arena's script is full.
Script Compile(const Program& program, const Schedule& schedule, const Services& services,
               const OwnState& own, const OwnMaps& maps, Arena& arena);

/// With whose death each process dies while it is built.
void FindParents(const Program& program, const Schedule& schedule,
                 const std::vector<Process*>& processes);

/// What the arena must have room for, at most. `text_size`: bytes of the program as JSON. `timed`:
/// with Script::times.
ArenaSizes SizesFor(const Program& program, const Schedule& schedule, std::uint64_t text_size,
                    bool timed);

/// Whether processes have other numbers in the pid namespace of the restorer.
bool HasOwnNumbers(const Program& program);

}  // namespace crgen::restorer
