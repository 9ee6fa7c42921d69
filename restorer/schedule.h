// SPDX-License-Identifier: Apache-2.0
// Which command of which process waits for which: what of the program's order matters when the
// processes run at the same time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dsl/commands.h"

namespace crgen::restorer {

/// One step of one process: a command, or watching a child become a zombie.
struct Step {
  std::uint32_t command = 0;         ///< index in the program
  Pid watched = 0;                   ///< not 0: only until this child is a zombie
  bool awaited = false;              ///< other processes wait for it
  std::vector<std::uint32_t> await;  ///< steps of other processes, by number
};

/// A process that a FORK makes, or the restorer: number 0 in Schedule::processes.
struct ScheduledProcess {
  Pid pid = 0;
  std::vector<std::uint32_t> steps;  ///< numbers in Schedule::steps, in order
  std::uint32_t parent = 0;          ///< in the end
  std::uint32_t table = 0;  ///< the process whose descriptor table it shares, maybe its own
  bool resumes = false;
};

struct Schedule {
  std::vector<Step> steps;
  std::vector<ScheduledProcess> processes;  ///< in the order of their birth
  std::vector<std::uint32_t> child;         ///< for each command: the process that a FORK makes
  std::vector<std::uint32_t> executor;      ///< for each command: the process that executes it
};

/// `program` has passed CheckProgram. Every step awaits only steps that come before it in the
/// program, so there is no deadlock. Cost: linear, and for each FORK that uses a number again the
/// steps that freed it.
///
/// What orders the steps of different processes (docs/restorer-contract-order.md):
/// - joining a group comes after one member of it has arrived and before that one leaves; SET_SID
///   after all members of a group of that name have left;
/// - exits that reparent, and changes of child_subreaper, keep their order; WAIT for an adopted
///   child comes after it was adopted;
/// - a number is free only after whatever used it is gone;
/// - a file of /proc/PID is opened while the process, or thread, is there;
/// - what is taken from another process is taken while it is there;
/// - commands on a shared descriptor table keep their order; seals come after what was mapped and
///   loaded before.
Schedule MakeSchedule(const Program& program);

/// For each step, all steps of other processes that come before it: what it awaits, and what the
/// kernel itself makes it wait for: the FORK of its process, and the EXIT of a child that it reaps
/// or sees.
std::vector<std::vector<std::uint32_t>> OrderOf(const Program& program, const Schedule& schedule);

/// For each step: who executes it.
std::vector<Pid> ExecutorsOf(const Schedule& schedule);

/// For people: what each command waits for, in words: steps of others, and ends of children.
std::map<std::size_t, std::string> WaitsOf(const Program& program, const Schedule& schedule);

}  // namespace crgen::restorer
