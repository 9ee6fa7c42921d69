#include "restorer/supervisor.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <new>
#include <sstream>

#include "restorer/arena.h"
#include "restorer/cleanup.h"
#include "restorer/compile.h"
#include "restorer/files/files.h"
#include "restorer/handover.h"
#include "restorer/schedule.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {

#ifdef CRRESTORE_FAULTS
extern Board* fault_board;
#endif

namespace {

constexpr long kLookEveryMs = 500;  // for processes that died without a word

std::string ErrorText(const std::string& call) { return call + ": " + std::strerror(errno); }

/// The state letter of proc(5); 'X': no such process.
char StateOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= line.size() ? 'X' : line[name_end + 2];
}

bool InProgram(const Program& program, pid_t number) {
  return std::any_of(program.begin(), program.end(), [&](const Command& command) {
    const auto* fork = std::get_if<Fork>(&command.body);
    const auto* thread = std::get_if<CreateThread>(&command.body);
    return (fork != nullptr && fork->child_pid == number) ||
           (thread != nullptr && thread->tid == number);
  });
}

/// How far it has come, on the last line of a terminal; nothing if stderr is none.
class Progress {
 public:
  ~Progress() {
    if (shown_) std::fprintf(stderr, "\r\033[K");
  }
  void Show(std::uint32_t done, std::uint32_t total) {
    if (isatty(STDERR_FILENO) == 0) return;
    shown_ = true;
    std::fprintf(stderr, "\rrestoring: %u of %u threads are built", done, total);
    std::fflush(stderr);
  }

 private:
  bool shown_ = false;
};

class Supervisor {
 public:
  Supervisor(const Program& program, const HostFiles& files, const RestoreOptions& options)
      : program_(program), files_(files), options_(options) {}

  /// Everything up to running processes. The problem, or none.
  RestoreProblem Run(std::uint64_t text_size) {
    Schedule schedule = MakeSchedule(program_);
    if (const std::string problem = Build(schedule, text_size); !problem.empty()) {
      return {problem, -1};
    }
    if (RestoreProblem problem = RunOwnCommands(); !problem.what.empty()) return problem;
    if (RestoreProblem problem = AwaitAll(&Board::arrived); !problem.what.empty()) return problem;
    Handover handover(script_, arena_);
    if (std::string problem = handover.Trace(); !problem.empty()) return {problem, -1};
    Raise(&script_.board->arm);
    if (RestoreProblem problem = AwaitAll(&Board::armed); !problem.what.empty()) return problem;
    if (std::string problem = handover.Prepare(); !problem.empty()) return {problem, -1};
    BlockStop();
    if (AskedToStop()) return {"interrupted", -1};
    return {handover.Release(options_.stop), -1};
  }

  /// The root, as this process's pid namespace has it.
  pid_t root() const { return script_.processes[1]->threads[0].outer_tid; }

 private:
  std::string Build(const Schedule& schedule, std::uint64_t text_size) {
    OwnMaps maps;
    Services services;
    LeaveRseq();
    std::size_t threads = 0;
    std::vector<std::size_t> of_process(schedule.processes.size());
    for (std::size_t i = 0; i < program_.size(); ++i) {
      if (std::holds_alternative<CreateThread>(program_[i].body)) {
        threads = std::max(threads, ++of_process[schedule.executor[i]]);
      }
    }
    if (std::string problem = OpenServices(services); !problem.empty()) return problem;
    // A script is about four times as large as its text; pages are there only when written.
    const std::uint64_t script_size = (std::uint64_t{1} << 20) + 64 * text_size;
    Diagnostics diag;
    if (Failed(ReadOwnMaps(&maps, diag)) ||
        Failed(arena_.Make(program_, maps, script_size, threads, diag))) {
      return diag.entries().back().where + ": " + diag.entries().back().what;
    }
    script_ = Compile(program_, schedule, services, ReadOwnState(), maps, arena_);
    ReportDeath();
#ifdef CRRESTORE_FAULTS
    fault_board = script_.board;
    if (const char* call = std::getenv("CRRESTORE_FAILING_CALL")) {
      script_.board->failing_call = static_cast<Word>(std::atoi(call));
    }
#endif
    return "";
  }

  /// The C library's registration would be inherited, with an address that is then unmapped.
  static void LeaveRseq() {
    constexpr std::uint32_t kRegistered = 32;
    char* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
    if (__rseq_size != 0) {
      syscall(__NR_rseq, area, std::max<std::uint32_t>(__rseq_size, kRegistered),
              RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
    }
  }

  /// set_robust_list(2): when this process dies, however it does, the kernel marks the word.
  void ReportDeath() {
    static struct {
      robust_list_head head;
      robust_list node;
    } robust;
    Board* board = script_.board;
    board->supervisor = static_cast<Word>(gettid());
    robust.head.list.next = &robust.node;
    robust.node.next = &robust.head.list;
    robust.head.futex_offset =
        reinterpret_cast<char*>(&board->supervisor) - reinterpret_cast<char*>(&robust.node);
    syscall(__NR_set_robust_list, &robust.head, sizeof robust.head);
  }

  std::string OpenServices(Services& services) {
    services.files = &files_;
    for (const Command& command : program_) {
      const auto* open = std::get_if<OpenFile>(&command.body);
      if (open == nullptr) continue;
      const std::string problem =
          std::visit([&]<typename Body>(
                         const Body& body) { return FileRestorer<Body>::Prepare(body, services); },
                     open->file->body);
      if (!problem.empty()) return problem;
    }
    services.helper_tid = SpareNumber();
    service_ = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    if (service_ < 0) return ErrorText("/proc/self/fd");
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    constexpr rlim_t kOwn = 3;  // the service descriptor, and two while a file is opened
    const rlim_t needed = static_cast<rlim_t>(FirstUnusedFd(program_)) + kOwn;
    if (limit.rlim_cur < needed) {
      limit.rlim_cur = limit.rlim_max;
      if (limit.rlim_max < needed || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return "the plan has descriptor " + std::to_string(needed - kOwn - 1) +
               ": RLIMIT_NOFILE is " + std::to_string(limit.rlim_max);
      }
    }
    return "";
  }

  /// The highest number that nobody has: where the kernel does not give out new ones for long.
  Pid SpareNumber() const {
    Pid number = 32768;
    std::ifstream("/proc/sys/kernel/pid_max") >> number;
    do --number;
    while (number > 1 && (kill(number, 0) == 0 || InProgram(program_, number)));
    return number;
  }

  static void Raise(Word* word) {
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    syscall(__NR_futex, word, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
  }

  /// Until `*word` is not `value`. The problem that came first, or none.
  RestoreProblem AwaitChange(const Word* word, Word value) {
    Board& board = *script_.board;
    for (;;) {
      if (__atomic_load_n(&board.failure.set, __ATOMIC_SEQ_CST) != 0) return TheirProblem();
      if (AskedToStop()) return {"interrupted", -1};
      if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) return {};
      futex_waitv waits[2] = {};
      waits[0] = {value, reinterpret_cast<std::uint64_t>(word), FUTEX_32, 0};
      waits[1] = {0, reinterpret_cast<std::uint64_t>(&board.failure.set), FUTEX_32, 0};
      timespec until;
      clock_gettime(CLOCK_MONOTONIC, &until);
      until.tv_nsec += kLookEveryMs * 1'000'000;
      until.tv_sec += until.tv_nsec / 1'000'000'000;
      until.tv_nsec %= 1'000'000'000;
      const long result = syscall(__NR_futex_waitv, waits, 2, 0, &until, CLOCK_MONOTONIC);
      if (result < 0 && errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT) {
        return {ErrorText("futex_waitv"), -1};
      }
      if (result < 0 && errno == ETIMEDOUT) {
        progress_.Show(board.arrived, board.threads);
        if (RestoreProblem problem = LookForDead(); !problem.what.empty()) return problem;
      }
    }
  }

  RestoreProblem TheirProblem() const {
    const Failure& failure = script_.board->failure;
    std::string what = failure.what;
    if (failure.path != nullptr) what += " " + std::string(failure.path);
    what += ": " + std::string(strerrorname_np(failure.error)) + " (" +
            std::strerror(failure.error) + ")";
    return {what, failure.command};
  }

  RestoreProblem LookForDead() const {
    for (std::size_t i = 1; i < script_.processes.size(); ++i) {
      const Process& process = *script_.processes[i];
      const pid_t number = process.threads[0].outer_tid;
      if (number == 0 || __atomic_load_n(&process.leaving, __ATOMIC_SEQ_CST) != 0) continue;
      const char state = StateOf(number);
      if (state == 'X' || state == 'Z') {
        return {"process " + std::to_string(process.pid) +
                    " has died in the middle of its restore (killed from outside, or no memory)",
                -1};
      }
    }
    return {};
  }

  RestoreProblem AwaitAll(Word Board::*counter) {
    Board& board = *script_.board;
    for (;;) {
      const Word wake = __atomic_load_n(&board.wake, __ATOMIC_SEQ_CST);
      if (__atomic_load_n(&(board.*counter), __ATOMIC_SEQ_CST) == board.threads) return {};
      if (RestoreProblem problem = AwaitChange(&board.wake, wake); !problem.what.empty()) {
        return problem;
      }
    }
  }

  /// The commands of pid 0.
  RestoreProblem RunOwnCommands() {
    const Process& own = *script_.processes[0];
    for (std::uint32_t i = 0; i < own.op_count; ++i) {
      const Op& op = own.ops[i];
      for (std::uint32_t j = 0; j < op.await_count; ++j) {
        if (RestoreProblem problem = AwaitChange(op.await[j], 0); !problem.what.empty()) {
          return problem;
        }
      }
      RestoreProblem problem = op.kind == OpKind::kFork   ? StartRoot(op)
                               : op.kind == OpKind::kWait ? WaitFor(op)
                                                          : RestoreProblem{};
      if (!problem.what.empty()) return problem;
      if (op.done != nullptr) Raise(op.done);
    }
    return {};
  }

  RestoreProblem StartRoot(const Op& op) {
    Process* root = op.fork.child;
    clone_args arguments = {};
    arguments.flags = op.fork.flags;
    // Init of a new pid namespace that this process is not itself the init of.
    if (options_.new_pid_namespace && root->pid == 1) arguments.flags |= CLONE_NEWPID;
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uint64_t>(&root->pid);
    arguments.set_tid_size = 1;
    const long result = FailsOnPurpose() ? -1 : syscall(__NR_clone3, &arguments, sizeof arguments);
    if (result < 0) return {ErrorText("clone3"), op.command};
    if (result > 0) return {};
    if (dup2(service_, script_.board->service_fd) < 0) _exit(1);
    arena_.entry()(script_.board, root);
    _exit(1);
  }

  RestoreProblem WaitFor(const Op& op) {
    for (const Process* process : script_.processes) {
      if (process->pid != op.wait.pid) continue;
      if (RestoreProblem problem = AwaitChange(&process->leaving, 0); !problem.what.empty()) {
        return problem;
      }
    }
    siginfo_t info;
    int result;
    do {
      result = waitid(P_PID, static_cast<id_t>(op.wait.pid), &info,
                      WEXITED | __WALL | (op.wait.reap ? 0 : WNOWAIT));
    } while (result < 0 && errno == EINTR && !AskedToStop());
    if (result < 0) return {ErrorText("waitid"), op.command};
    return {};
  }

  const Program& program_;
  const HostFiles& files_;
  const RestoreOptions& options_;
  Arena arena_;
  Script script_;
  int service_ = -1;
  Progress progress_;
};

/// What the process that restores tells the one that the user has started.
struct Report {
  std::int64_t command = -1;
  std::int32_t root = 0;
  char what[1000] = "";
};

void Tell(int pipe, const Report& report) {
  [[maybe_unused]] const ssize_t written = write(pipe, &report, sizeof report);
}

int StatusOf(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Reaps what this process has adopted until the root ends; the root's status. As init, until
/// nobody is left.
int AwaitRoot(pid_t root, bool init) {
  int root_status = 0, status = 0;
  for (;;) {
    const pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return StatusOf(root_status);
    if (pid == root) root_status = status;
    if (pid == root && !init) return StatusOf(root_status);
  }
}

/// A /proc of the namespace that this process is the init of.
bool MountProc() {
  return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
}

[[noreturn]] void BeRestorer(const Program& program, std::uint64_t text_size, HostFiles& files,
                             const RestoreOptions& options, int pipe) {
  Report report;
  const auto give_up = [&](const std::string& what, std::int64_t command) {
    KillDescendants();
    report.command = command;
    std::strncpy(report.what, what.c_str(), sizeof report.what - 1);
    Tell(pipe, report);
    _exit(1);
  };
  if (options.new_pid_namespace && !MountProc()) give_up(ErrorText("mount of /proc"), -1);
  if (!AdoptDescendants()) give_up(ErrorText("prctl(PR_SET_CHILD_SUBREAPER)"), -1);
  RestoreProblem problem;
  try {
    Supervisor supervisor(program, files, options);
    problem = supervisor.Run(text_size);
    if (problem.what.empty()) report.root = supervisor.root();
  } catch (const std::bad_alloc&) {
    problem = {"out of memory", -1};
  }
  if (!problem.what.empty()) give_up(problem.what, problem.command);
  Tell(pipe, report);
  close(pipe);
  files.Close();
  if (!options.new_pid_namespace && options.detach) _exit(0);
  prctl(PR_SET_PDEATHSIG, 0);
  DieOfStop();
  _exit(AwaitRoot(report.root, options.new_pid_namespace));
}

/// The root's number in this pid namespace, where it is another one: proc(5), NSpid.
pid_t NumberHere(pid_t restorer, pid_t root) {
  std::ifstream children("/proc/" + std::to_string(restorer) + "/task/" + std::to_string(restorer) +
                         "/children");
  for (pid_t pid = 0; children >> pid;) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      // From here inwards: a root that is init has one number more.
      std::istringstream words(line);
      std::string label;
      pid_t here = 0, there = 0;
      if (words >> label >> here >> there && label == "NSpid:" && there == root) return pid;
    }
  }
  return 0;
}

}  // namespace

RestoreResult Restore(const Program& program, std::uint64_t text_size, HostFiles& files,
                      const RestoreOptions& options) {
  RestoreResult result;
  const auto fail = [&](const std::string& what) {
    result.problem = {what, -1};
    return result;
  };
  int pipe[2];
  if (!AdoptDescendants() || pipe2(pipe, O_CLOEXEC) != 0) return fail(ErrorText("prctl or pipe"));
  ListenForStop();
  pid_t restorer = -1;
  // Another number than any of the program's: those that are in use are not given out again.
  std::vector<pid_t> unsuited;
  for (;;) {
    clone_args arguments = {};
    arguments.flags = options.new_pid_namespace ? CLONE_NEWPID | CLONE_NEWNS : 0;
    arguments.exit_signal = SIGCHLD;
    restorer = static_cast<pid_t>(syscall(__NR_clone3, &arguments, sizeof arguments));
    if (restorer < 0) return fail(ErrorText("clone3"));
    if (restorer == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      close(pipe[0]);
      if (!options.new_pid_namespace && InProgram(program, getpid())) {
        for (;;) pause();
      }
      BeRestorer(program, text_size, files, options, pipe[1]);
    }
    if (options.new_pid_namespace || !InProgram(program, restorer)) break;
    unsuited.push_back(restorer);
  }
  for (pid_t pid : unsuited) kill(pid, SIGKILL);
  files.Close();
  close(pipe[1]);

  Report report;
  ssize_t got;
  do {
    got = read(pipe[0], &report, sizeof report);
    if (got < 0 && errno == EINTR && AskedToStop()) kill(restorer, SIGTERM);
  } while (got < 0 && errno == EINTR);
  close(pipe[0]);
  if (got != sizeof report || report.what[0] != 0) {
    kill(restorer, SIGKILL);
    KillDescendants();
    if (got != sizeof report) return fail("the restoring process has died");
    result.problem = {report.what, report.command};
    return result;
  }
  result.root = options.new_pid_namespace ? NumberHere(restorer, report.root) : report.root;
  if (!options.pidfile.empty()) std::ofstream(options.pidfile) << result.root << "\n";
  int status = 0;
  if (options.detach) {
    if (!options.new_pid_namespace) waitpid(restorer, &status, 0);
    return result;
  }
  DieOfStop();
  while (waitpid(restorer, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_status = StatusOf(status);
  return result;
}

}  // namespace crgen::restorer
