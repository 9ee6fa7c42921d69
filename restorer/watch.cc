// SPDX-License-Identifier: Apache-2.0
#include "restorer/watch.h"

#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "preflight/numbers.h"
#include "restorer/cleanup.h"
#include "restorer/from_outside.h"
#include "restorer/proc_files.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

constexpr long kLookEveryMs = 500;

Word Load(const Word& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }

std::string SignalName(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

/// A stop that somebody else has asked for, or a signal that nobody blocks.
bool IsForeignStop(int status) {
  if (!WIFSTOPPED(status)) return true;
  const int event = status >> 16, signal = WSTOPSIG(status);
  return !(event == PTRACE_EVENT_STOP && signal == SIGTRAP) && signal != (SIGTRAP | 0x80);
}

}  // namespace

std::string ErrorText(const std::string& call) { return call + ": " + std::strerror(errno); }

std::string NameOf(const Thread& thread) {
  std::string process = "process " + std::to_string(thread.process->pid);
  if (thread.tid == thread.process->pid) return process;
  return "thread " + std::to_string(thread.tid) + " of " + process;
}

std::string TakenText(pid_t number) {
  const std::string taken = preflight::NumberIsTaken(number);
  return taken.empty() ? "" : "; " + taken + " (" + preflight::kPidnsHelps + ")";
}

std::string HasDied(const Thread& thread) {
  return NameOf(thread) +
         " has died in the middle of its restore (killed from outside, or no memory)";
}

std::string Interference(const Thread& thread, int status) {
  const std::string who = NameOf(thread);
  if (WIFSTOPPED(status)) {
    return who + " was stopped by " + SignalName(WSTOPSIG(status)) +
           " in the middle of its restore: somebody else has sent it";
  }
  const std::string how = WIFSIGNALED(status)
                              ? "was killed by " + SignalName(WTERMSIG(status))
                              : "has ended with status " + std::to_string(WEXITSTATUS(status));
  return who + " " + how + " in the middle of its restore (from outside, or no memory)";
}

/// The number that a command makes; 0: none.
static pid_t NumberMadeBy(const Command& command) {
  const auto* fork = std::get_if<Fork>(&command.body);
  const auto* thread = std::get_if<CreateThread>(&command.body);
  return fork != nullptr ? fork->child_pid : thread != nullptr ? thread->tid : 0;
}

std::string Watch::WhyNot(pid_t number, int error) const {
  if (number == 0) return "";
  if (elsewhere_) return elsewhere_(number, error);
  return error == EEXIST && !other_numbers_ ? TakenText(number) : "";
}

Progress::~Progress() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
}

void Progress::Show(Word done, Word total) {
  if (isatty(STDERR_FILENO) == 0) return;
  shown_ = true;
  std::fprintf(stderr, "\rrestoring: %u of %u threads are built", done, total);
  std::fflush(stderr);
}

Watch::Watch(const Program& program, const Arena& arena, const Script& script, unsigned timeout)
    : program_(program),
      arena_(arena),
      script_(script),
      other_numbers_(std::ranges::any_of(
          script.threads, [](const auto& it) { return it.thread->outer_tid != nullptr; })),
      deadline_(timeout) {}

RestoreProblem Watch::AwaitChange(const Word* word, Word value) {
  const Board& board = *script_.board;
  for (;;) {
    if (Load(board.failure.set) != 0) return TheirProblem();
    if (AskedToStop()) return {"interrupted", -1};
    if (Load(*word) != value) return {};
    AnswerRequest(script_, root_);
    futex_waitv waits[3] = {};
    waits[0] = {value, reinterpret_cast<std::uint64_t>(word), FUTEX_32, 0};
    waits[1] = {0, reinterpret_cast<std::uint64_t>(&board.failure.set), FUTEX_32, 0};
    waits[2] = {0, reinterpret_cast<std::uint64_t>(&board.request.set), FUTEX_32, 0};
    timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += kLookEveryMs * 1'000'000;
    until.tv_sec += until.tv_nsec / 1'000'000'000;
    until.tv_nsec %= 1'000'000'000;
    const long result = syscall(__NR_futex_waitv, waits, 3, 0, &until, CLOCK_MONOTONIC);
    if (result >= 0 || errno == EAGAIN) continue;
    if (errno != EINTR && errno != ETIMEDOUT) return {ErrorText("futex_waitv"), -1};
    if (RestoreProblem problem = Look()) return problem;
  }
}

RestoreProblem Watch::AwaitAll(Word Board::*counter) {
  const Board& board = *script_.board;
  deadline_.Renew();
  for (;;) {
    const Word wake = Load(board.wake);
    if (Load(board.*counter) == script_.setup->threads) return {};
    if (RestoreProblem problem = AwaitChange(&board.wake, wake)) return problem;
  }
}

RestoreProblem Watch::Look() {
  if (Load(script_.board->failure.set) != 0) return TheirProblem();
  if (AskedToStop()) return {"interrupted", -1};
  progress_.Show(Load(script_.board->arrived), script_.setup->threads);
  if (RestoreProblem problem = LookForLost()) return problem;
  if (traced_) {
    if (RestoreProblem problem = LookForStops()) return problem;
  }
  return LookForLimit();
}

/// Where processes write, nothing is believed: a name is text that they cannot write, or nothing.
RestoreProblem Watch::TheirProblem() const {
  const Failure failure = script_.board->failure;
  std::string what = arena_.HasText(failure.what) ? failure.what : "an unknown call";
  if (arena_.HasText(failure.there)) what += " (" + std::string(failure.there) + " is there)";
  if (arena_.HasText(failure.path)) what += " " + std::string(failure.path);
  const char* name = strerrorname_np(failure.error);
  what += ": " + (name != nullptr ? std::string(name) : std::to_string(failure.error)) + " (" +
          std::strerror(failure.error) + ")";
  if (failure.command >= program_.size()) return {what};
  what += WhyNot(NumberMadeBy(program_[failure.command]), failure.error);
  return {what, failure.command};
}

/// Processes exist from when their parent has made the FORK.
bool Watch::IsBorn(std::size_t process) const {
  if (Load(script_.processes[process]->words->step) != 0) return true;
  const Birth& birth = script_.births[process];
  return birth.creator != nullptr && Load(birth.creator->words->step) > birth.op + 1;
}

bool Watch::Built(const Process& process) const {
  return Load(process.words->step) > process.op_count;
}

/// 0: it has not said it yet. The root's is known all the same.
pid_t Watch::NumberOf(const Thread& thread) const {
  if (thread.outer_tid == nullptr) return thread.tid;
  const auto number = static_cast<pid_t>(Load(*thread.outer_tid));
  const bool root = thread.process == script_.processes[1] && thread.tid == thread.process->pid;
  return number == 0 && root ? root_ : number;
}

RestoreProblem Watch::LookForLost() {
  if (RestoreProblem problem = LookForUnknown()) return problem;
  for (std::size_t i = 1; i < script_.processes.size(); ++i) {
    const Process& process = *script_.processes[i];
    if (!IsBorn(i) || Load(process.words->leaving) != 0) continue;
    for (std::uint32_t t = 0; t < process.thread_count; ++t) {
      const pid_t number = NumberOf(process.threads[t]);
      const char state = number <= 0 ? '?' : StateOf(number);
      const std::string who = NameOf(process.threads[t]);
      if (t == 0 && (state == 'X' || state == 'Z') && Load(process.words->leaving) == 0) {
        return {HasDied(process.threads[t])};
      }
      if (state == 'T') {
        return {who + " was stopped in the middle of its restore: somebody else has sent a signal"};
      }
      if (state == 't' && !traced_) {
        return {who + " is traced by process " + std::to_string(TracerOf(number)) +
                ": let go of it, and restore again"};
      }
    }
  }
  return {};
}

/// Whoever dies before it has said its number is a zombie of its parent. It says it at once: only
/// who has not since the last look is looked for.
RestoreProblem Watch::LookForUnknown() {
  const std::size_t last = std::exchange(unknown_, 0);
  if (!other_numbers_) return {};
  for (std::size_t i = 1; i < script_.processes.size() && unknown_ == 0; ++i) {
    const Process& process = *script_.processes[i];
    if (IsBorn(i) && NumberOf(process.threads[0]) == 0) unknown_ = i;
  }
  if (unknown_ == 0 || unknown_ != last) return {};
  const Thread& thread = script_.processes[unknown_]->threads[0];
  const Process* parent = script_.births[unknown_].creator;
  if (parent == nullptr || parent == script_.processes[0]) return {};
  for (const pid_t child : ChildrenOf(NumberOf(parent->threads[0]))) {
    if (StateOf(child) == 'Z' && IsThreadOf(root_, child, thread.tid, thread.tid)) {
      return {HasDied(thread)};
    }
  }
  return {};
}

/// What traced threads have stopped for though nobody has asked them to.
RestoreProblem Watch::LookForStops() const {
  for (;;) {
    siginfo_t info = {};
    if (waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG | WNOWAIT | __WALL) != 0 || info.si_pid == 0) {
      return {};
    }
    int status = 0;
    if (waitpid(info.si_pid, &status, WNOHANG | __WALL) <= 0) return {};
    if (!IsForeignStop(status)) {  // told of a SIGCONT, which changes nothing
      Ptrace(PTRACE_CONT, info.si_pid, 0, 0);
      continue;
    }
    for (const ThreadStart& start : script_.threads) {
      if (start.number == info.si_pid) return {Interference(*start.thread, status)};
    }
    return {"process " + std::to_string(info.si_pid) + " was stopped in the middle of its restore"};
  }
}

RestoreProblem Watch::LookForLimit() {
  std::uint64_t steps = Load(script_.board->arrived) + std::uint64_t{Load(script_.board->armed)};
  for (const Process* process : script_.processes) {
    steps += std::uint64_t{Load(process->words->step)} + Load(process->words->reads);
  }
  if (steps != steps_) deadline_.Renew();
  steps_ = steps;
  return deadline_.Passed() ? Stuck() : RestoreProblem();
}

/// Names the first process that is not built and does not wait for another one.
RestoreProblem Watch::Stuck() const {
  const std::string limit = " for " + std::to_string(deadline_.seconds()) + " s (--timeout)";
  RestoreProblem first;
  for (std::size_t i = 1; i < script_.processes.size(); ++i) {
    const Process& process = *script_.processes[i];
    if (!IsBorn(i) || (Built(process) && !traced_)) continue;
    const pid_t number = NumberOf(process.threads[0]);
    long call = -1;
    const std::string where = number > 0 ? SystemCallOf(number, &call) : "no system call";
    if (call == __NR_pause) continue;  // it has all that it gets
    const Word step = Load(process.words->step);
    const bool at_op = step > 0 && step <= process.op_count;
    RestoreProblem problem = {"process " + std::to_string(process.pid) + " has not gone on" +
                                  limit + ": it is in " + where,
                              at_op ? std::int64_t{process.ops[step - 1].command} : -1};
    // It tries again and again: between the two it is in none.
    const bool wants_number = call == __NR_clone3 || call == __NR_nanosleep || call < 0;
    if (wants_number && at_op) {
      const Command& command = program_[static_cast<std::size_t>(problem.command)];
      problem.what += WhyNot(NumberMadeBy(command), EEXIST);
    }
    if (call != __NR_futex) return problem;
    if (!first) first = problem;
  }
  return first ? first : RestoreProblem{"nothing has happened" + limit};
}

}  // namespace crgen::restorer
