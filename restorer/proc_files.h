// SPDX-License-Identifier: Apache-2.0
// What proc(5) says of a process or thread; ids are those of this process's pid namespace.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace crgen::restorer {

/// The state letter; 'X': no such process.
char StateOf(pid_t pid);

/// Whether there is no such process any more, or only its zombie.
inline bool IsDead(pid_t pid) {
  const char state = StateOf(pid);
  return state == 'Z' || state == 'X';
}

/// Milliseconds that it has had a CPU (schedstat of proc(5)); 0: that is not known.
std::uint64_t RunTimeOf(pid_t pid);

/// 0: no such process, or its parent is not of this pid namespace.
pid_t ParentOf(pid_t pid);

/// Of all its threads; empty: no such process, too.
std::vector<pid_t> ChildrenOf(pid_t pid);

/// Who traces it; 0: nobody.
pid_t TracerOf(pid_t pid);

/// The system call that it is in, for people: "system call openat", "no system call". `*number`
/// gets its number, -1: none.
std::string SystemCallOf(pid_t pid, long* number);

/// Whether `number` is, in the pid namespace of the process `root`, thread `tid` of process `pid`.
bool IsThreadOf(pid_t root, pid_t number, pid_t pid, pid_t tid);

}  // namespace crgen::restorer
