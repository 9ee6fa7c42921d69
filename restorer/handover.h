// The last step: from threads that wait in the arena to threads that go on where they were dumped,
// in an address space without the arena. Done from outside, with ptrace(2), because no code can
// unmap itself.
#pragma once

#include <string>
#include <vector>

#include "restorer/compile.h"

namespace crgen::restorer {

class Handover {
 public:
  Handover(const Script& script, const Arena& arena) : script_(script), arena_(arena) {}

  /// Traces every thread: from now on they die with the supervisor, and their seccomp filters
  /// (which come next) do not apply. Empty, or what failed.
  std::string Trace();
  /// Stops every thread in the arena, unmaps the arena, sets the registers. Nothing has run yet.
  std::string Prepare();
  /// Lets everybody go; processes that are to be stopped (`stop_all`: all) stop at once. Nothing
  /// fails from here on but by the death of a process.
  std::string Release(bool stop_all);

 private:
  std::string Interrupt(const ThreadStart& start);
  std::string AwaitStop(const ThreadStart& start);
  std::string UnmapArena(const ThreadStart& start);
  std::string SetRegisters(const ThreadStart& start);

  const Script& script_;
  const Arena& arena_;
};

}  // namespace crgen::restorer
