// SPDX-License-Identifier: Apache-2.0
// The attributes of one process and its threads, as the last SET_ATTR commands leave them.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "dsl/commands.h"
#include "restorer/compile.h"

namespace crgen::restorer {

/// Those of its ids that sockets keep.
SocketOwner SocketOwnerOf(const Creds& creds, Arena& arena);

/// Where a process is to be, and below what.
DirectoriesOp DirectoriesOf(const FsAttributes& fs, const Services& services, Arena& arena);

/// What the root's new time namespace is to show.
ClocksOp ClocksOf(const Clocks& clocks, const OwnState& own);

/// Into what the root of a user namespace of its own executes: from there on it has ids of that
/// namespace. Not before it has entered what it enters by its own files in /proc, which are those
/// of who made it.
void AddTakeIds(const Process* root, std::vector<Birth>* births, std::vector<Op>* ops);

class ProcessAttributes {
 public:
  /// Before the first Add(). The restorer itself (pid 0) has no threads, and no attributes.
  /// `services`, which hold executables, must outlive this. `space`: the number of the mount
  /// namespace in which the process ends.
  void Begin(Process* process, const Services& services, std::int32_t space);
  /// `command`: the index of the SET_ATTR in the program.
  void Add(const SetAttr& set, std::size_t command);
  /// Absent: not set.
  std::uint32_t loginuid() const;
  /// Fills in the process and its threads; those that resume are added to `*starts`.
  void End(const OwnState& own, Arena& arena, bool resumes, std::vector<ThreadStart>* starts);

 private:
  struct Set {
    const Attributes* attributes;
    std::size_t command;
    bool of_thread;  ///< with `tid`: signal_queue is the thread's
  };
  void SetProcess(const OwnState& own, Arena& arena);
  void SetThread(const std::vector<Set>& sets, const OwnState& own, Arena& arena, Thread& thread,
                 ThreadStart& start);

  Process* process_ = nullptr;
  const Services* services_ = nullptr;
  std::int32_t space_ = 0;
  std::unordered_map<Pid, std::vector<Set>> sets_;  ///< by tid, in order
};

}  // namespace crgen::restorer
