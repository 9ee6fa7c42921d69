// SPDX-License-Identifier: Apache-2.0
// What makes the release one step: until it is opened, processes die with this process, though no
// tracer would kill them; from then on they live without it.
#pragma once

#include <sys/types.h>

#include <vector>

namespace crgen::restorer {

/// Two pipes, of which each process owns a reading description (F_SETOWN_EX of fcntl(2)) that sends
/// SIGKILL when there is no writer any more (F_SETSIG, O_ASYNC). This process has the only writers:
/// when it dies in whatever way, the kernel closes them. Without readers nobody is told.
class ReleaseGate {
 public:
  ReleaseGate() = default;
  /// Those behind it die, unless it has been opened.
  ~ReleaseGate();
  ReleaseGate(const ReleaseGate&) = delete;
  ReleaseGate& operator=(const ReleaseGate&) = delete;

  /// Behind it are `processes`, none of them the init of a pid namespace, which no such signal
  /// reaches. False: nobody is (errno): it takes two descriptors for each, and the right to kill
  /// whomever on the host.
  bool Close(const std::vector<pid_t>& processes);
  /// In one system call.
  void Open();

 private:
  bool MakePipes();
  bool Add(int pipe, pid_t process);

  int low_ = -1, high_ = -1;    ///< writers, one of each pipe: below and above all readers
  int first_ = -1, last_ = -1;  ///< all readers
};

}  // namespace crgen::restorer
