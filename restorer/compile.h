// From a program to the script that the processes execute.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dsl/commands.h"
#include "preflight/host_files.h"
#include "restorer/arena.h"
#include "restorer/files/file_restorer.h"
#include "restorer/schedule.h"
#include "restorer/script.h"

namespace crgen::restorer {

/// What the supervisor puts into a thread in the moment it resumes. Points into the program.
struct ThreadStart {
  const Thread* thread = nullptr;
  const Registers* registers = nullptr;  ///< null: the thread cannot resume
  const Fpu* fpu = nullptr;
  std::uint64_t signal_mask = 0;
  std::uint64_t rseq_cs = 0;  ///< not 0: the critical section that the thread is in
  std::uint64_t rseq = 0;
};

/// The script, in the arena, and what the supervisor knows beside it.
struct Script {
  Board* board = nullptr;
  std::vector<Process*> processes;   ///< as in Schedule::processes; the restorer's ops come first
  std::vector<ThreadStart> threads;  ///< of all processes that resume
};

/// What this process has and the root inherits: attributes that are the same need no system call.
struct OwnState {
  Creds creds;
  int nice = 0;
  int oom_score_adj = 0;
  std::uint32_t loginuid = 0;
};
OwnState ReadOwnState();

/// `program` has passed Preflight. Throws std::bad_alloc if the arena's script is full.
Script Compile(const Program& program, const Schedule& schedule, const Services& services,
               const OwnState& own, const OwnMaps& maps, Arena& arena);

/// How many descriptors the largest number in the program makes: the first number it never uses.
Fd FirstUnusedFd(const Program& program);

}  // namespace crgen::restorer
