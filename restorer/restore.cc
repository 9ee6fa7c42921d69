// SPDX-License-Identifier: Apache-2.0
#include "restorer/restore.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <vector>

#include "restorer/action_scripts.h"
#include "restorer/caller_terminal.h"
#include "restorer/cgroups.h"
#include "restorer/cleanup.h"
#include "restorer/left_names.h"
#include "restorer/pid_visit.h"
#include "restorer/pidfile.h"
#include "restorer/services.h"
#include "restorer/step_times.h"
#include "restorer/supervisor.h"

namespace crgen::restorer {
namespace {

/// What the process that restores tells the one that the user has started.
struct Report {
  std::int64_t command = -1;
  std::int32_t root = 0;
  char what[1000] = "";
};

/// Between the two processes: four reports, and a byte between each two. With the third byte the
/// one that the user has started has said that it has not failed: only then does anything go that
/// was there before.
void Tell(int channel, const Report& report) {
  [[maybe_unused]] const ssize_t sent =
      send(channel, &report, sizeof report, MSG_NOSIGNAL | MSG_EOR);
}

/// The other one has heard the last report, and has had its time to fail.
bool MayGoOn(int channel) {
  char word = 0;
  ssize_t got;
  do {
    got = read(channel, &word, 1);
  } while (got < 0 && errno == EINTR && !AskedToStop());
  return got == 1;
}

constexpr int kUnknownEnd = 1;  // exit code: who was waited for is not there

int StatusOf(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Reaps what this process has adopted until the root ends; the root's status. As init, until
/// nobody is left. Where `stops` is a channel, it gets the signals that stop the root.
int AwaitRoot(pid_t root, bool init, int stops) {
  int root_status = 0, status = 0;
  bool root_ended = false;
  for (;;) {
    const pid_t pid = waitpid(-1, &status, __WALL | (stops >= 0 ? WUNTRACED : 0));
    if (pid < 0 && errno == EINTR) continue;
    if (pid > 0 && WIFSTOPPED(status)) {
      const int signal = WSTOPSIG(status);
      if (pid == root) send(stops, &signal, sizeof signal, MSG_NOSIGNAL);
      continue;
    }
    if (pid < 0) return root_ended ? StatusOf(root_status) : kUnknownEnd;
    if (pid == root) root_status = status;
    root_ended |= pid == root;
    if (pid == root && !init) return StatusOf(root_status);
  }
}

/// The process that the user has started stops as the root does, until the other one ends.
void StopAlong(pid_t root, int stops, const CallerTerminal& terminal) {
  for (;;) {
    int signal = 0;
    const ssize_t got = recv(stops, &signal, sizeof signal, 0);
    if (got == sizeof signal) terminal.StopAlong(root, signal);
    if (got == 0 || (got < 0 && errno != EINTR)) return;
  }
}

/// Nobody who reads what the caller's programs print, or closes their terminal, waits for this
/// process or ends it.
void LetGoOfCaller() {
  setsid();
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) {
    if (nothing < 0 || dup2(nothing, fd) < 0) close(fd);
  }
  if (nothing > 2) close(nothing);
}

[[noreturn]] void BeRestorer(const Program& program, const Schedule& schedule,
                             std::uint64_t text_size, HostFiles& files, Cgroups& cgroups,
                             const RestoreOptions& options, const CallerTerminal& terminal,
                             Pidfile& pidfile, const Records& records, int channel) {
  Report report;
  const auto give_up = [&](const RestoreProblem& problem) {
    KillDescendants(OuterPidNamespace(program, options) != nullptr);
    RemoveLeftNames(program, options.namespaces, records);
    pidfile.Remove();
    report.command = problem.command;
    std::strncpy(report.what, problem.what.c_str(), sizeof report.what - 1);
    Tell(channel, report);
    _exit(1);
  };
  // Whatever comes of this process is out of reach for others from its first moment: of those who
  // have its ids before it runs, too.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) give_up({ErrorText("prctl(PR_SET_DUMPABLE)")});
  if (!AdoptDescendants()) give_up({ErrorText("prctl(PR_SET_CHILD_SUBREAPER)")});
  RestoreProblem problem;
  try {
    Supervisor supervisor(program, schedule, files, cgroups, options, records);
    const auto ask = [&] {
      Tell(channel, report);
      return MayGoOn(channel);
    };
    problem = supervisor.Run(
        text_size, ask,
        [&](pid_t root) {
          report.root = root;
          return ask();
        },
        ask);
  } catch (const std::bad_alloc&) {
    problem = {"out of memory"};
  }
  if (problem) give_up(problem);
  Tell(channel, report);
  const int stops = terminal.used() && !options.detach ? channel : -1;
  if (stops < 0) close(channel);
  close(records.board);
  close(records.names);
  files.Close();
  cgroups.Close();
  if (!options.new_pid_namespace && options.detach) _exit(0);
  prctl(PR_SET_PDEATHSIG, 0);
  DieOfStop();
  if (options.detach) LetGoOfCaller();
  _exit(AwaitRoot(report.root, options.new_pid_namespace, stops));
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

/// Starts the process that restores, with another number than any of the program's; -1: errno.
pid_t StartRestorer(const Program& program, const Schedule& schedule, std::uint64_t text_size,
                    HostFiles& files, Cgroups& cgroups, const RestoreOptions& options,
                    const CallerTerminal& terminal, Pidfile& pidfile, const Records& records,
                    const int channel[2]) {
  SpareNumbers numbers(program);
  pid_t number = 0, restorer = -1;
  do {
    clone_args arguments = {};
    arguments.exit_signal = SIGCHLD;
    if (options.new_pid_namespace) {
      arguments.flags = CLONE_NEWPID;
    } else {
      number = numbers.Next();
      arguments.set_tid = reinterpret_cast<std::uint64_t>(&number);
      arguments.set_tid_size = 1;
    }
    restorer = static_cast<pid_t>(syscall(__NR_clone3, &arguments, sizeof arguments));
  } while (restorer < 0 && errno == EEXIST && number > 1);
  if (restorer != 0) return restorer;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  close(channel[0]);
  BeRestorer(program, schedule, text_size, files, cgroups, options, terminal, pidfile, records,
             channel[1]);
}

/// What the restorer says next; the problem, if it has failed or is gone.
RestoreProblem Hear(int channel, pid_t restorer, Report* report) {
  ssize_t got;
  do {
    got = recv(channel, report, sizeof *report, 0);
    if (got < 0 && errno == EINTR && AskedToStop()) kill(restorer, SIGTERM);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof *report) return {"the restoring process has died"};
  return {report->what, report->command};
}

/// Lets the restorer go on, and hears what it says then.
RestoreProblem GoOn(int channel, pid_t restorer, Report* report) {
  if (send(channel, "", 1, MSG_NOSIGNAL) != 1) return {ErrorText("send to the supervisor")};
  return Hear(channel, restorer, report);
}

}  // namespace

RestoreResult Restore(const Program& program, const Schedule& schedule, std::uint64_t text_size,
                      HostFiles& files, const RestoreOptions& options) {
  RestoreResult result;
  Pidfile pidfile;
  result.problem.what = pidfile.Open(options.pidfile);
  if (result.problem) return result;
  // It stays when the processes and the one that restores are gone.
  const Records records = {memfd_create("board", MFD_CLOEXEC),
                           options.names >= 0 ? options.names : memfd_create("names", MFD_CLOEXEC)};
  int channel[2];
  if (records.board < 0 || records.names < 0 || !AdoptDescendants() ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0) {
    result.problem = {ErrorText("memfd_create, prctl or socketpair")};
    return result;
  }
  ListenForStop();
  UnblockStop();
  if (AskedToStop()) {
    result.problem = {"interrupted"};
    return result;
  }
  const CallerTerminal terminal(program);
  const ActionScripts scripts(options.action_scripts, options.images, options.timeout);
  result.problem.what = scripts.Run({"pre-restore"}, 0);
  Cgroups cgroups(program, options.cgroups);
  if (!result.problem) result.problem = cgroups.Make();
  const pid_t restorer = result.problem
                             ? -1
                             : StartRestorer(program, schedule, text_size, files, cgroups, options,
                                             terminal, pidfile, records, channel);
  if (restorer < 0) {
    if (!result.problem) result.problem = {ErrorText("clone3")};
    pidfile.Remove();
    cgroups.Remove();
    return result;
  }
  files.Close();
  for (const auto& [key, fd] : options.inherited) {
    if (fd > STDERR_FILENO) close(fd);  // the tree's alone
  }
  close(channel[1]);

  Report report;
  result.problem = Hear(channel[0], restorer, &report);
  if (!result.problem) {
    result.problem.what = scripts.Run({"setup-namespaces", "post-setup-namespaces"}, restorer);
  }
  if (!result.problem) result.problem = GoOn(channel[0], restorer, &report);
  if (!result.problem) {
    result.root = options.new_pid_namespace ? NumberHere(restorer, report.root) : report.root;
    result.problem.what = pidfile.Write(result.root);
  }
  // Connections do not go on yet: whoever stops them himself lets them pass now, as with CRIU.
  if (!result.problem) {
    result.problem.what =
        scripts.Run({"post-restore", "network-unlock", "pre-resume"}, result.root);
  }
  if (!result.problem) result.problem = GoOn(channel[0], restorer, &report);
  if (!result.problem && send(channel[0], "", 1, MSG_NOSIGNAL) != 1) {
    result.problem.what = ErrorText("send to the supervisor");
  }
  if (!result.problem && Hear(channel[0], restorer, &report)) {
    std::fprintf(stderr, "crrestore: warning: hard links of the dumper may be left\n");
  }
  if (options.timed) result.times = ReadTimes(program, schedule, records.board);
  if (result.problem) {
    close(channel[0]);
    pidfile.Remove();
    kill(restorer, SIGKILL);
    KillDescendants(OuterPidNamespace(program, options) != nullptr);
    RemoveLeftNames(program, options.namespaces, records);
    terminal.TakeBack();
    cgroups.Remove();
    return result;
  }
  close(records.board);
  close(records.names);
  cgroups.Close();
  if (const std::string late = scripts.Run({"post-resume"}, result.root); !late.empty()) {
    std::fprintf(stderr, "crrestore: warning: %s\n", late.c_str());
  }
  int status = 0;
  if (options.detach) {
    close(channel[0]);
    if (!options.new_pid_namespace) waitpid(restorer, &status, 0);
    return result;
  }
  DieOfStop();
  if (terminal.used()) StopAlong(result.root, channel[0], terminal);
  close(channel[0]);
  pid_t ended;
  do ended = waitpid(restorer, &status, 0);
  while (ended < 0 && errno == EINTR);
  terminal.TakeBack();
  result.exit_status = ended < 0 ? kUnknownEnd : StatusOf(status);
  return result;
}

}  // namespace crgen::restorer
