#include "restorer/handover.h"

#include <elf.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "restorer/registers.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

constexpr std::size_t kXsaveAtMost = 64 * 1024;

std::string Failed(const ThreadStart& start, const char* call) {
  const int error = errno;
  return "thread " + std::to_string(start.thread->tid) + " of process " +
         std::to_string(start.thread->process->pid) + ": " + call + ": " + std::strerror(error);
}

bool IsLeader(const ThreadStart& start) {
  return start.thread == &start.thread->process->threads[0];
}

pid_t Number(const ThreadStart& start) { return start.thread->outer_tid; }

/// A word of code in the arena that is a system call: the executor is full of them.
std::uint64_t FindSystemCall(const Arena& arena) {
  const auto* code = reinterpret_cast<const unsigned char*>(arena.start());
  while (!(code[0] == 0x0f && code[1] == 0x05)) ++code;
  return reinterpret_cast<std::uint64_t>(code);
}

}  // namespace

std::string Handover::Trace() {
  // Suspending takes CAP_SYS_ADMIN: only where there will be filters.
  const bool filtered =
      std::any_of(script_.threads.begin(), script_.threads.end(), [](const ThreadStart& start) {
        return start.thread->filter_count != 0 || start.thread->seccomp_strict;
      });
  const unsigned long options =
      PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | (filtered ? PTRACE_O_SUSPEND_SECCOMP : 0);
  for (const ThreadStart& start : script_.threads) {
    if (Ptrace(PTRACE_SEIZE, Number(start), 0, options) != 0) {
      return Failed(start, "PTRACE_SEIZE");
    }
  }
  return "";
}

std::string Handover::AwaitStop(const ThreadStart& start) {
  int status = 0;
  if (AwaitChild(Number(start), &status) < 0) return Failed(start, "waitpid");
  if (WIFSTOPPED(status)) return "";
  return "thread " + std::to_string(start.thread->tid) + " of process " +
         std::to_string(start.thread->process->pid) + " died: status " + std::to_string(status);
}

std::string Handover::UnmapArena(const ThreadStart& start) {
  user_regs_struct regs = {};
  if (Ptrace(PTRACE_GETREGS, Number(start), 0, &regs) != 0) return Failed(start, "PTRACE_GETREGS");
  regs.orig_rax = ~0ull;
  regs.rax = __NR_munmap;
  regs.rdi = arena_.start();
  regs.rsi = arena_.end() - arena_.start();
  regs.rip = FindSystemCall(arena_);
  if (Ptrace(PTRACE_SETREGS, Number(start), 0, &regs) != 0) return Failed(start, "PTRACE_SETREGS");
  for (int stop = 0; stop < 2; ++stop) {  // on the way in, and on the way out
    if (Ptrace(PTRACE_SYSCALL, Number(start), 0, 0) != 0) return Failed(start, "PTRACE_SYSCALL");
    if (std::string problem = AwaitStop(start); !problem.empty()) return problem;
  }
  if (Ptrace(PTRACE_GETREGS, Number(start), 0, &regs) != 0) return Failed(start, "PTRACE_GETREGS");
  if (regs.rax == 0) return "";
  errno = static_cast<int>(-regs.rax);
  return Failed(start, "munmap of the restorer");
}

std::string Handover::SetRegisters(const ThreadStart& start) {
  const pid_t tid = Number(start);
  if (start.fpu != nullptr) {
    std::vector<char> area(kXsaveAtMost);
    iovec span = {area.data(), area.size()};
    if (Ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &span) != 0) {
      return Failed(start, "PTRACE_GETREGSET");
    }
    std::uint64_t missing = 0;
    area = XsaveArea(*start.fpu, span.iov_len, &missing);
    if (missing != 0) {
      return "thread " + std::to_string(start.thread->tid) + ": fpu.xstate_bv has components " +
             HexText(missing) + ", which this processor lacks";
    }
    span = {area.data(), area.size()};
    if (Ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &span) != 0) {
      return Failed(start, "PTRACE_SETREGSET");
    }
  }
  if (start.rseq_cs != 0 && Ptrace(PTRACE_POKEDATA, tid, start.rseq + 8, start.rseq_cs) != 0) {
    return Failed(start, "PTRACE_POKEDATA of rseq_cs");
  }
  user_regs_struct regs = GeneralRegisters(*start.registers);
  if (Ptrace(PTRACE_SETREGS, tid, 0, &regs) != 0) return Failed(start, "PTRACE_SETREGS");
  if (Ptrace(PTRACE_SETSIGMASK, tid, sizeof start.signal_mask, &start.signal_mask) != 0) {
    return Failed(start, "PTRACE_SETSIGMASK");
  }
  return "";
}

std::string Handover::Prepare() {
  for (const ThreadStart& start : script_.threads) {
    if (Ptrace(PTRACE_INTERRUPT, Number(start), 0, 0) != 0) {
      return Failed(start, "PTRACE_INTERRUPT");
    }
  }
  for (const ThreadStart& start : script_.threads) {
    if (std::string problem = AwaitStop(start); !problem.empty()) return problem;
  }
  for (const ThreadStart& start : script_.threads) {
    if (!IsLeader(start)) continue;
    if (std::string problem = UnmapArena(start); !problem.empty()) return problem;
  }
  for (const ThreadStart& start : script_.threads) {
    if (std::string problem = SetRegisters(start); !problem.empty()) return problem;
  }
  return "";
}

std::string Handover::Release(bool stop_all) {
  for (const ThreadStart& start : script_.threads) {
    const int signal = start.thread->process->stopped != 0 ? start.thread->process->stopped
                       : stop_all                          ? SIGSTOP
                                                           : 0;
    if (signal != 0 && IsLeader(start) && kill(Number(start), signal) != 0) {
      return Failed(start, "kill");
    }
  }
  bool running = false;
  for (const ThreadStart& start : script_.threads) {
    const bool detached = Ptrace(PTRACE_DETACH, Number(start), 0, 0) == 0;
    // Those that run already may kill others, which is no failure of the restore.
    if (!detached && !(running && errno == ESRCH)) return Failed(start, "PTRACE_DETACH");
    running |= detached;
  }
  return "";
}

}  // namespace crgen::restorer
