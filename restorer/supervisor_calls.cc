// SPDX-License-Identifier: Apache-2.0
#include "restorer/supervisor_calls.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "restorer/cleanup.h"
#include "restorer/proc_files.h"
#ifdef CRRESTORE_FAULTS
#include <sys/prctl.h>
#include <sys/user.h>

#include "restorer/script.h"
#endif

namespace crgen::restorer {

#ifdef CRRESTORE_FAULTS
const Setup* fault_setup = nullptr;

/// Of the calls before there is a script.
bool FailsEarly() {
  static const char* const failing = std::getenv("CRRESTORE_FAILING_EARLY_CALL");
  static int calls = 0;
  if (failing == nullptr || ++calls != std::atoi(failing)) return false;
  errno = EIO;
  return true;
}

/// Of the supervisor's calls: the one at which it is killed, and who started it.
void DieOnPurpose() {
  static const char* const dying = std::getenv("CRRESTORE_DYING_CALL");
  static int calls = 0;
  if (dying == nullptr || ++calls != std::atoi(dying)) return;
  kill(getppid(), SIGKILL);
  kill(getpid(), SIGKILL);
}

/// With CRRESTORE_LOST_DUMPABLE a thread that is made to become dumpable succeeds, and does not.
void LoseDumpable(int request, std::uint64_t data) {
  static const bool loses = std::getenv("CRRESTORE_LOST_DUMPABLE") != nullptr;
  if (!loses || request != PTRACE_SETREGS) return;
  auto* regs = reinterpret_cast<user_regs_struct*>(data);
  if (regs->rax == __NR_prctl && regs->rdi == PR_SET_DUMPABLE) regs->rsi = 0;
}

bool FailsOnPurpose() {
  DieOnPurpose();
  if (fault_setup == nullptr) return FailsEarly();
  if (fault_setup->failing_call == 0) return false;
  const Word call = __atomic_add_fetch(&fault_setup->board->calls, 1, __ATOMIC_SEQ_CST);
  if (call != fault_setup->failing_call) return false;
  errno = EIO;
  return true;
}
#else
void LoseDumpable(int, std::uint64_t) {}
bool FailsOnPurpose() { return false; }
#endif

long PtraceCall(int request, pid_t tid, std::uint64_t address, std::uint64_t data) {
  if (FailsOnPurpose()) return -1;
  LoseDumpable(request, data);
  return syscall(__NR_ptrace, request, tid, address, data);
}

pid_t AwaitChild(pid_t pid, int* status, const Deadline& deadline) {
  if (FailsOnPurpose()) return -1;
  for (;;) {
    const pid_t result = waitpid(pid, status, __WALL);
    if (result >= 0 || errno != EINTR || AskedToStop()) return result;
    if (StateOf(pid) == 'Z') {
      const pid_t late = waitpid(pid, status, __WALL | WNOHANG);
      if (late != 0) return late;
      errno = ESRCH;
      return -1;
    }
    if (deadline.Passed()) {
      errno = ETIMEDOUT;
      return -1;
    }
  }
}

}  // namespace crgen::restorer
