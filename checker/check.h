// SPDX-License-Identifier: Apache-2.0
// The checker: a simulated kernel that executes a restore program, and the comparison of what it
// ends in with a snapshot. It judges the generator, so it shares no code with it: its rules come
// from the contract of the 16 commands and from Linux alone.
// This folder may include: dsl, model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dsl/commands.h"
#include "model/diagnostics.h"
#include "model/page_reader.h"
#include "model/snapshot.h"

namespace crgen {

namespace check {
class Kernel;
}  // namespace check

/// What a program ends in: processes, descriptor tables, open file descriptions, regions, pages,
/// threads, attributes. Empty until CheckProgram fills it. Moves, does not copy.
class SimulatedState {
 public:
  SimulatedState();
  ~SimulatedState();
  SimulatedState(SimulatedState&&) noexcept;
  SimulatedState& operator=(SimulatedState&&) noexcept;

  const check::Kernel* kernel() const { return kernel_.get(); }
  void Reset(std::unique_ptr<check::Kernel> kernel);

 private:
  std::unique_ptr<check::Kernel> kernel_;
};

/// Executes `program` under the kernel's rules and leaves what it ends in in `*state`. Every
/// violation goes to `diag`: where = "commands[11] SET_SID pid 10", what = "EPERM: …", the errno
/// that Linux gives and the fact behind it. A command that fails changes nothing; of a process that
/// cannot execute any more only the first command is reported. A program that leaves processes in
/// the restorer's hands is a legal fragment.
/// kOk: no violation. `*state` is filled in both cases.
/// Cost: O(log n) for each command and O(1) for each fork, whatever it copies; memory likewise.
Result CheckProgram(const Program& program, SimulatedState* state, Diagnostics& diag);

/// Adds an error for each thing that a fragment may lack, but not what is to be restored: every
/// process ends in RESUME or EXIT, and who resumes has set rlimits, and creds of each thread, or
/// said "inherit" (rights that nobody speaks of would be the restorer's).
/// REQUIRES: CheckProgram found nothing wrong in `program` and filled `state`.
Result CheckComplete(const Program& program, const SimulatedState& state, Diagnostics& diag);

/// The same as warnings, one for each kind.
void FindUnfinished(const SimulatedState& state, Diagnostics& diag);

/// CheckProgram for a program that still grows.
class ProgramCheck {
 public:
  /// Both must outlive it.
  ProgramCheck(const Program& program, Diagnostics& diag);
  ~ProgramCheck();

  /// Executes the commands before `end` that have not been executed yet. They must not change any
  /// more, and not move as long as the call runs.
  void RunTo(std::size_t end);
  /// Executes what is left. To be called once, for the program as it is to be.
  Result Finish(SimulatedState* state);

 private:
  const Program& program_;
  std::unique_ptr<check::Kernel> kernel_;
  Diagnostics& diag_;
  std::size_t errors_before_;
};

/// Compares what a program ended in with the snapshot that it is to restore. Each difference goes
/// to `diag`: where = "process 10 region 0x1000-0x3000", what = the field, what the snapshot has,
/// what the program has. Compared are
/// - processes: pid, parent, group, session, running, stopped or zombie (with its exit status),
///   subreaper, threads, attributes;
/// - objects behind regions and memfds (`shmem.id`, `inode_id`): up to renaming;
/// - descriptor tables: who shares one, the numbers in use, close-on-exec, which slots of all
///   processes refer to one description, and what was opened;
/// - regions, after neighbours that one mmap(2) could have made were joined: bounds, protection,
///   flags, advice, backing and offset; guard ranges;
/// - every private page and every page of a shared object: present or not, and its bytes. A page of
///   zeros need not be present where untouched memory reads as zeros.
/// kOk: equal. An unreadable image makes its pages different. `read_page` may be empty.
/// Cost: linear in both, plus the bytes of pages whose origins differ.
Result CompareWithSnapshot(const SimulatedState& state, const Snapshot& snapshot,
                           const PageReader& read_page, Diagnostics& diag);

/// The final state for people: the tree in creation order, then for each process its threads,
/// attributes, descriptors and regions. Equal numbers behind `#` are one open file description.
std::string DescribeState(const SimulatedState& state);

}  // namespace crgen
