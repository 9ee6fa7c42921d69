// SPDX-License-Identifier: Apache-2.0
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
  /// `timeout`: seconds that one thread may take for one step; 0: for ever.
  Handover(Script& script, const Arena& arena, unsigned timeout)
      : script_(script), arena_(arena), timeout_(timeout) {}

  /// Traces every thread, which has its number: from now on they die with the supervisor, and
  /// their seccomp filters (which come next) do not apply. Empty, or what failed.
  std::string Trace();
  /// Stops every thread, which has all attributes and rests. Its registers go into the script.
  std::string StopAll();
  /// Stops processes that are to be stopped (`stop_all`: all) where signals wait, unmaps the arena,
  /// lets debuggers reach those that are to be `dumpable`, reads that back, sets the registers.
  /// Nothing has run yet.
  std::string Prepare(bool stop_all);
  /// Whether everybody still stands where Prepare() has left them. Empty, or who has died.
  std::string CheckAlive() const;
  /// Lets everybody go; the other processes that are to be stopped stop at once. Whenever this
  /// process dies all of them live or none, but where no ReleaseGate can be closed. Empty, or who
  /// has died before.
  std::string Release(bool stop_all);

 private:
  /// A system call that a stopped thread is made to execute.
  struct Injected {
    const char* what;
    long number;
    std::uint64_t first, second;
  };
  enum class Stop { kEvent, kSystemCall };

  std::string AwaitStop(const ThreadStart& start, Stop wanted);
  std::string AwaitInterrupted(ThreadStart& start);
  std::string LeadToPause(ThreadStart& start);
  std::string Inject(const std::vector<const ThreadStart*>& threads, const Injected& call);
  std::string DeliverTo(const ThreadStart& start, int signal, int* status);
  std::string StopProcess(const ThreadStart& leader, int signal);
  std::string ReadDumpable(const std::vector<const ThreadStart*>& dumpable);
  std::string LetOutlive(const ThreadStart* init);
  std::string SetMask(const ThreadStart& start, std::uint64_t mask);
  std::string SetTls(const ThreadStart& start);
  std::string SetRegisters(const ThreadStart& start);
  std::string Failed(const ThreadStart& start, const char* call) const;

  Script& script_;
  const Arena& arena_;
  unsigned timeout_;
};

}  // namespace crgen::restorer
