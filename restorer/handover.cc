// SPDX-License-Identifier: Apache-2.0
#include "restorer/handover.h"

#include <asm/ldt.h>
#include <elf.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "restorer/proc_files.h"
#include "restorer/registers.h"
#include "restorer/release_gate.h"
#include "restorer/step_times.h"
#include "restorer/supervisor_calls.h"
#include "restorer/watch.h"

namespace crgen::restorer {
namespace {

constexpr std::size_t kXsaveAtMost = 64 << 10;
constexpr std::uint64_t kAllSignals = ~std::uint64_t{0};

bool IsLeader(const ThreadStart& start) {
  return start.thread == &start.thread->process->threads[0];
}

/// As what the process is to stop; 0: it runs.
int StopOf(const Process& process, bool stop_all) {
  if (process.stopped != 0) return process.stopped;
  return stop_all ? SIGSTOP : 0;
}

/// Whether it must stop before its signals are let in: one that waits would come first, and those
/// of terminals do not stop everybody. Its parent then has SIGCHLD pending when it begins.
bool StopsFirst(const Process& process, bool stop_all) {
  const int signal = StopOf(process, stop_all);
  bool waits = process.queue_count != 0;
  for (std::uint32_t i = 0; i < process.thread_count; ++i) {
    waits = waits || process.threads[i].queue_count != 0;
  }
  return signal != 0 && (signal != SIGSTOP || waits);
}

/// A word of code in the arena that is a system call: the executor is full of them.
std::uint64_t FindSystemCall(const Arena& arena) {
  const auto* code = reinterpret_cast<const unsigned char*>(arena.start());
  while (!(code[0] == 0x0f && code[1] == 0x05)) ++code;
  return reinterpret_cast<std::uint64_t>(code);
}

}  // namespace

std::string Handover::Failed(const ThreadStart& start, const char* call) const {
  const int error = errno;
  std::string what = NameOf(*start.thread) + ": " + call + ": " + std::strerror(error);
  if (error == ETIMEDOUT) {
    long number = -1;
    what += " after " + std::to_string(timeout_) + " s (--timeout), in " +
            SystemCallOf(start.number, &number);
  }
  if (error == EPERM) {
    const pid_t tracer = TracerOf(start.number);
    if (tracer != 0 && tracer != getpid())
      what += ": process " + std::to_string(tracer) + " traces it";
  }
  return what;
}

std::string Handover::Trace() {
  // Suspending takes CAP_SYS_ADMIN: only where there will be filters.
  const bool filtered =
      std::any_of(script_.threads.begin(), script_.threads.end(), [](const ThreadStart& start) {
        return start.thread->filter_count != 0 || start.thread->seccomp_strict;
      });
  const unsigned long options =
      PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | (filtered ? PTRACE_O_SUSPEND_SECCOMP : 0);
  for (const ThreadStart& start : script_.threads) {
    if (Ptrace(PTRACE_SEIZE, start.number, 0, options) != 0) {
      return Failed(start, "PTRACE_SEIZE");
    }
  }
  return "";
}

/// Until the thread stops as it has been asked to. All signals are blocked: any other stop is
/// somebody else's, but for the notice that a SIGCONT came, which changes nothing.
std::string Handover::AwaitStop(const ThreadStart& start, Stop wanted) {
  const Deadline deadline(timeout_);
  for (;;) {
    int status = 0;
    if (AwaitChild(start.number, &status, deadline) < 0) {
      if (errno == ESRCH) return HasDied(*start.thread);
      return Failed(start, "waitpid");
    }
    if (!WIFSTOPPED(status)) return Interference(*start.thread, status);
    const bool event = status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) == SIGTRAP;
    const bool system_call = status >> 16 == 0 && WSTOPSIG(status) == (SIGTRAP | 0x80);
    if (wanted == Stop::kEvent ? event : system_call) return "";
    if (!event) return Interference(*start.thread, status);
    if (Ptrace(PTRACE_SYSCALL, start.number, 0, 0) != 0) return Failed(start, "PTRACE_SYSCALL");
  }
}

/// The thread, which has stopped somewhere before pause(2), stops there. It is led from system call
/// to system call: whoever is interrupted again and again need not get any further.
std::string Handover::LeadToPause(ThreadStart& start) {
  do {
    if (Ptrace(PTRACE_SYSCALL, start.number, 0, 0) != 0) return Failed(start, "PTRACE_SYSCALL");
    if (std::string problem = AwaitStop(start, Stop::kSystemCall); !problem.empty()) return problem;
    if (Ptrace(PTRACE_GETREGS, start.number, 0, &start.stopped) != 0) {
      return Failed(start, "PTRACE_GETREGS");
    }
  } while (start.stopped.orig_rax != __NR_pause);
  if (Ptrace(PTRACE_INTERRUPT, start.number, 0, 0) != 0) return Failed(start, "PTRACE_INTERRUPT");
  if (Ptrace(PTRACE_CONT, start.number, 0, 0) != 0) return Failed(start, "PTRACE_CONT");
  return AwaitInterrupted(start);
}

std::string Handover::AwaitInterrupted(ThreadStart& start) {
  if (std::string problem = AwaitStop(start, Stop::kEvent); !problem.empty()) return problem;
  const bool read = Ptrace(PTRACE_GETREGS, start.number, 0, &start.stopped) == 0;
  return read ? "" : Failed(start, "PTRACE_GETREGS");
}

/// All threads stop in pause(2), where they have nothing left to do.
std::string Handover::StopAll() {
  for (const ThreadStart& start : script_.threads) {
    const Process& process = *start.thread->process;
    if (process.resume_times == nullptr || !IsLeader(start)) continue;
    process.resume_times->reached = process.end_times->done;
    process.resume_times->begun = TimeNow();
  }
  for (const ThreadStart& start : script_.threads) {
    if (Ptrace(PTRACE_INTERRUPT, start.number, 0, 0) != 0) return Failed(start, "PTRACE_INTERRUPT");
  }
  for (ThreadStart& start : script_.threads) {
    std::string problem = AwaitInterrupted(start);
    if (problem.empty() && start.stopped.orig_rax != __NR_pause) problem = LeadToPause(start);
    if (!problem.empty()) return problem;
  }
  return "";
}

/// All of `threads` at the same time, each on its own in its process.
std::string Handover::Inject(const std::vector<const ThreadStart*>& threads, const Injected& call) {
  for (const ThreadStart* start : threads) {
    user_regs_struct regs = start->stopped;
    regs.orig_rax = ~0ull;
    regs.rax = static_cast<std::uint64_t>(call.number);
    regs.rdi = call.first;
    regs.rsi = call.second;
    regs.rdx = regs.r10 = regs.r8 = regs.r9 = 0;
    regs.rip = FindSystemCall(arena_);
    if (Ptrace(PTRACE_SETREGS, start->number, 0, &regs) != 0) {
      return Failed(*start, "PTRACE_SETREGS");
    }
  }
  for (int stop = 0; stop < 2; ++stop) {  // on the way in, and on the way out
    for (const ThreadStart* start : threads) {
      if (Ptrace(PTRACE_SYSCALL, start->number, 0, 0) != 0) {
        return Failed(*start, "PTRACE_SYSCALL");
      }
    }
    for (const ThreadStart* start : threads) {
      if (std::string problem = AwaitStop(*start, Stop::kSystemCall); !problem.empty()) {
        return problem;
      }
    }
  }
  for (const ThreadStart* start : threads) {
    user_regs_struct regs = {};
    if (Ptrace(PTRACE_GETREGS, start->number, 0, &regs) != 0) {
      return Failed(*start, "PTRACE_GETREGS");
    }
    if (regs.rax != 0) {
      errno = static_cast<int>(-regs.rax);
      return Failed(*start, call.what);
    }
  }
  return "";
}

/// 64-bit code has no set_thread_area(2).
std::string Handover::SetTls(const ThreadStart& start) {
  const auto* entries = static_cast<const user_desc*>(start.thread->tls);
  for (std::uint32_t i = 0; i < start.thread->tls_count; ++i) {
    const std::uint64_t number = entries[i].entry_number;
    user_desc entry = entries[i], found = {};
    if (Ptrace(PTRACE_SET_THREAD_AREA, start.number, number, &entry) != 0) {
      return Failed(start, "PTRACE_SET_THREAD_AREA");
    }
    if (Ptrace(PTRACE_GET_THREAD_AREA, start.number, number, &found) != 0) {
      return Failed(start, "PTRACE_GET_THREAD_AREA");
    }
    // All of it is bit fields and numbers, and what is between them is 0 in both.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
    if (std::memcmp(&entry, &found, sizeof entry) != 0) {
      return NameOf(*start.thread) + " is not what the plan says, read back: tls " +
             std::to_string(number);
    }
  }
  return "";
}

std::string Handover::SetRegisters(const ThreadStart& start) {
  const pid_t tid = start.number;
  if (start.fpu != nullptr) {
    std::vector<char> area(kXsaveAtMost);
    iovec span = {area.data(), area.size()};
    if (Ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &span) != 0) {
      return Failed(start, "PTRACE_GETREGSET");
    }
    std::uint64_t missing = 0;
    area = XsaveArea(*start.fpu, span.iov_len, &missing);
    if (missing != 0) {
      return NameOf(*start.thread) + ": fpu.xstate_bv has components " + HexText(missing) +
             ", which this processor lacks";
    }
    span = {area.data(), area.size()};
    if (Ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &span) != 0) {
      return Failed(start, "PTRACE_SETREGSET");
    }
  }
  if (start.rseq_cs != 0 && Ptrace(PTRACE_POKEDATA, tid, start.rseq + 8, start.rseq_cs) != 0) {
    return Failed(start, "PTRACE_POKEDATA of rseq_cs");
  }
  // Selectors in registers may be of these.
  if (std::string problem = SetTls(start); !problem.empty()) return problem;
  user_regs_struct regs = GeneralRegisters(*start.registers);
  if (Ptrace(PTRACE_SETREGS, tid, 0, &regs) != 0) return Failed(start, "PTRACE_SETREGS");
  return SetMask(start, start.signal_mask);
}

std::string Handover::SetMask(const ThreadStart& start, std::uint64_t mask) {
  const bool set = Ptrace(PTRACE_SETSIGMASK, start.number, sizeof mask, &mask) == 0;
  return set ? "" : Failed(start, "PTRACE_SETSIGMASK");
}

/// Lets the thread, which is in pause(2), go on with `signal` until it stops for one: *status.
std::string Handover::DeliverTo(const ThreadStart& start, int signal, int* status) {
  if (Ptrace(PTRACE_CONT, start.number, 0, static_cast<std::uint64_t>(signal)) != 0) {
    return Failed(start, "PTRACE_CONT");
  }
  if (AwaitChild(start.number, status, Deadline(timeout_)) < 0) {
    return errno == ESRCH ? HasDied(*start.thread) : Failed(start, "waitpid");
  }
  return WIFSTOPPED(*status) ? "" : Interference(*start.thread, *status);
}

/// The process, whose signals are blocked, stops as by `signal`, and stays so when it is let go:
/// what is pending and not blocked in the end waits for SIGCONT, too.
std::string Handover::StopProcess(const ThreadStart& leader, int signal) {
  const Process& process = *leader.thread->process;
  for (std::uint32_t i = 0; i < process.action_count; ++i) {
    if (process.actions[i].signal == signal) signal = SIGSTOP;  // it stops nobody
  }
  for (const Deadline deadline(timeout_); !deadline.Passed();) {
    int status = 0;
    if (FailsOnPurpose() || kill(leader.number, SIGSTOP) != 0) return Failed(leader, "kill");
    std::string problem = DeliverTo(leader, 0, &status);
    if (!problem.empty()) return problem;
    if (status >> 16 == PTRACE_EVENT_STOP) continue;  // somebody's SIGCONT has taken it away
    if (status >> 8 != SIGSTOP) return Interference(*leader.thread, status);
    problem = SetMask(leader, kAllSignals & ~(std::uint64_t{1} << (signal - 1)));
    if (!problem.empty()) return problem;
    if (Ptrace(PTRACE_INTERRUPT, leader.number, 0, 0) != 0) {
      return Failed(leader, "PTRACE_INTERRUPT");
    }
    if (problem = DeliverTo(leader, signal, &status); !problem.empty()) return problem;
    if (status >> 16 != PTRACE_EVENT_STOP) return Interference(*leader.thread, status);
    if (WSTOPSIG(status) == signal) return SetMask(leader, kAllSignals);
    // In an orphaned group a terminal's signals stop nobody (kernel/signal.c, get_signal()).
    signal = SIGSTOP;
  }
  errno = ETIMEDOUT;
  return Failed(leader, "SIGSTOP");
}

/// What is in /proc/PID belongs to the process if it is dumpable, else to root (proc(5)). Whose ids
/// are root's cannot be told so: of him the kernel's answer to prctl(2) has been read.
std::string Handover::ReadDumpable(const std::vector<const ThreadStart*>& dumpable) {
  for (const ThreadStart* start : dumpable) {
    const std::string folder = "/proc/" + std::to_string(start->number);
    struct stat process = {}, inside = {};
    if (stat(folder.c_str(), &process) != 0 || stat((folder + "/fd").c_str(), &inside) != 0) {
      return Failed(*start, "stat of its /proc");
    }
    if (process.st_uid == inside.st_uid && process.st_gid == inside.st_gid) continue;
    return NameOf(*start->thread) +
           " is not what the plan says, read back: dumpable: planned 1, found 0";
  }
  return "";
}

std::string Handover::Prepare(bool stop_all) {
  std::vector<const ThreadStart*> leaders, dumpable;
  for (const ThreadStart& start : script_.threads) {
    if (!IsLeader(start)) continue;
    leaders.push_back(&start);
    if (start.thread->process->dumpable == 1) dumpable.push_back(&start);
  }
  for (const ThreadStart* leader : leaders) {
    const Process& process = *leader->thread->process;
    if (!StopsFirst(process, stop_all)) continue;
    std::string problem = StopProcess(*leader, StopOf(process, stop_all));
    if (!problem.empty()) return problem;
  }
  // Whoever may debug a process must not find there what belongs to others: all but the executor's
  // code goes first, and that too in the end.
  const Injected calls[] = {
      {"munmap of the restorer", __NR_munmap, arena_.code_end(), arena_.end() - arena_.code_end()},
      {"prctl(PR_SET_DUMPABLE)", __NR_prctl, PR_SET_DUMPABLE, 1},
      {"munmap of the executor", __NR_munmap, arena_.start(), arena_.code_end() - arena_.start()}};
  for (const Injected& call : calls) {
    const auto& threads = call.number == __NR_prctl ? dumpable : leaders;
    if (std::string problem = Inject(threads, call); !problem.empty()) return problem;
  }
  if (std::string problem = ReadDumpable(dumpable); !problem.empty()) return problem;
  for (const ThreadStart& start : script_.threads) {
    if (std::string problem = SetRegisters(start); !problem.empty()) return problem;
  }
  return "";
}

std::string Handover::CheckAlive() const {
  for (const ThreadStart& start : script_.threads) {
    if (StateOf(start.number) != 't') return HasDied(*start.thread);
  }
  return "";
}

std::string Handover::Release(bool stop_all) {
  for (const ThreadStart& start : script_.threads) {
    const Process& process = *start.thread->process;
    const bool stops = StopOf(process, stop_all) != 0 && !StopsFirst(process, stop_all);
    if (stops && IsLeader(start) && kill(start.number, SIGSTOP) != 0) return Failed(start, "kill");
  }
  const ThreadStart* init = nullptr;
  std::vector<pid_t> leaders;
  for (const ThreadStart& start : script_.threads) {
    if (!IsLeader(start)) continue;
    leaders.push_back(start.number);
    if (start.thread->process->pid == 1) init = &start;
  }
  ReleaseGate gate;
  const bool at_once = init != nullptr || gate.Close(leaders);
  if (std::string problem = at_once ? LetOutlive(init) : CheckAlive(); !problem.empty()) {
    return problem;
  }
  gate.Open();
  // Those that run already may kill others, which is no failure of the restore.
  for (const ThreadStart& start : script_.threads) {
    Ptrace(PTRACE_DETACH, start.number, 0, 0);
    const Process& process = *start.thread->process;
    if (process.resume_times != nullptr) process.resume_times->done = TimeNow();
  }
  return "";
}

/// From here on the tracer's death is no more than the end of tracing. Last comes the init, if the
/// tree has one: with it all others die.
std::string Handover::LetOutlive(const ThreadStart* init) {
  for (const ThreadStart& start : script_.threads) {
    if (&start != init && Ptrace(PTRACE_SETOPTIONS, start.number, 0, 0) != 0) {
      return Failed(start, "PTRACE_SETOPTIONS");
    }
  }
  if (init != nullptr && Ptrace(PTRACE_SETOPTIONS, init->number, 0, 0) != 0) {
    return Failed(*init, "PTRACE_SETOPTIONS");
  }
  return "";
}

}  // namespace crgen::restorer
