// SPDX-License-Identifier: Apache-2.0
#include "restorer/tools.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "model/printable.h"
#include "restorer/cleanup.h"
#include "restorer/deadline.h"
#include "restorer/own_limits.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"
#include "restorer/user_namespace.h"

namespace crgen::restorer {
namespace {

constexpr int kNotStarted = 127;                   // as shells have it
constexpr std::size_t kOutputAtMost = 1 << 20;     // bytes, of a confined program
constexpr std::size_t kToldAtMost = 800;           // bytes of what people read
constexpr std::size_t kMemoryAtMost = 1ull << 32;  // bytes, likewise

std::string ReadAll(int fd, std::size_t most) {
  std::string text;
  char piece[4096];
  off_t at = 0;
  for (ssize_t got; text.size() < most && (got = pread(fd, piece, sizeof piece, at)) > 0;
       at += got) {
    text.append(piece, static_cast<std::size_t>(got));
  }
  return text;
}

bool Limit(int resource, rlim_t most) {
  const rlimit limit = {most, most};
  return setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0;
}

/// In a process that becomes another program. False: errno.
bool Confine() {
  constexpr id_t kNobody = 65534;
  constexpr std::uint32_t kKept = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW;
  const auto drop_groups = [] { return syscall(SYS_setgroups, 0, nullptr) == 0; };
  // In a user namespace that has no such id the rest of it has no rights outside anyway.
  const auto become_nobody = [&] {
    if (setresgid(kNobody, kNobody, kNobody) == 0 && setresuid(kNobody, kNobody, kNobody) == 0) {
      return true;
    }
    return errno == EINVAL;
  };
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct kept[2] = {{kKept, kKept, kKept}, {0, 0, 0}};
  const auto keep = [&] {
    return syscall(SYS_capset, &header, kept) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0;
  };
  const auto die_with_parent = [] { return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0; };
  return prctl(PR_SET_KEEPCAPS, 1) == 0 && (drop_groups() || errno == EPERM) && become_nobody() &&
         keep() && die_with_parent() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         Limit(RLIMIT_NPROC, 0) && Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_FSIZE, kOutputAtMost) &&
         Limit(RLIMIT_AS, kMemoryAtMost) &&
         // The namespace is new: nobody else changes its tables.
         setenv("XTABLES_LOCKFILE", "/dev/null", 1) == 0;
}

struct Start {
  std::vector<const char*> words;
  int in;
  int folder = AT_FDCWD;  ///< its working directory, or this process's
  bool confined = false;
  const UserHolder* user = nullptr;
  bool to_its_end = false;  ///< also when an end is asked for
  bool told = false;        ///< its output is for people, who read the beginning
};

/// Starts it in a group of its own, with the caller's limits and no signal blocked; the pid, or -1
/// and errno.
pid_t Fork(Start start, int out) {
  std::vector<const char*>& words = start.words;
  words.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  setpgid(0, 0);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(kNotStarted);
  DieOfStop();
  LowerOwnLimits();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if ((start.folder == AT_FDCWD || fchdir(start.folder) == 0) &&
      dup2(start.in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
      dup2(out, STDERR_FILENO) >= 0 && (!start.confined || Confine()) &&
      (start.user == nullptr ||
       (start.user->BecomeFirst() && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0))) {
    execvp(words[0], const_cast<char* const*>(words.data()));
  }
  dprintf(STDERR_FILENO, "%s", std::strerror(errno));
  _exit(kNotStarted);
}

/// What follows is written behind what is kept, and lost when this is asked again.
void DropFurther(int out) {
  struct stat status = {};
  constexpr auto kMost = static_cast<off_t>(kToldAtMost + 1);
  if (fstat(out, &status) == 0 && status.st_size > kMost) (void)!ftruncate(out, kMost);
}

/// Until it has ended; not for longer than the deadline without reading on in its input, nor when
/// an end is asked for: then it is killed, with all that it has started.
void Await(pid_t pid, const Start& start, int out, Deadline deadline, ToolOutcome* outcome) {
  int status = 0;
  off_t read = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) {
      outcome->problem = ErrorText("waitpid");
      return;
    }
    if (start.told) DropFurther(out);
    if (const off_t now = lseek(start.in, 0, SEEK_CUR); now != std::exchange(read, now))
      deadline.Renew();
    if (!deadline.Passed() && (start.to_its_end || !StopIsAsked())) continue;
    outcome->problem = deadline.Passed() ? "no end after " + std::to_string(deadline.seconds()) +
                                               " s (--timeout): killed"
                                         : "interrupted: killed";
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return;
  }
  outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

ToolOutcome Run(const Start& start, unsigned timeout) {
  ToolOutcome outcome;
  const int out = FailsOnPurpose() ? -1 : memfd_create("output", MFD_CLOEXEC);
  const bool appends = out >= 0 && fcntl(out, F_SETFL, O_APPEND) == 0;
  const pid_t pid = appends && start.in >= 0 ? Fork(start, out) : -1;
  if (pid < 0) {
    outcome.problem = std::strerror(errno);
  } else {
    Await(pid, start, out, Deadline(timeout), &outcome);
    outcome.output = ReadAll(out, start.told ? kToldAtMost + 1 : std::string::npos);
    outcome.started = outcome.status != kNotStarted;
  }
  if (out >= 0) close(out);
  return outcome;
}

ToolOutcome RunWith(Start start, const std::string& input, unsigned timeout) {
  start.in = memfd_create("input", MFD_CLOEXEC);
  if (start.in >= 0 &&
      (write(start.in, input.data(), input.size()) != static_cast<ssize_t>(input.size()) ||
       lseek(start.in, 0, SEEK_SET) != 0)) {
    close(start.in);
    start.in = -1;
  }
  ToolOutcome outcome = Run(start, timeout);
  if (start.in >= 0) close(start.in);
  return outcome;
}

}  // namespace

ToolOutcome RunTool(const std::vector<const char*>& words, const std::string& input,
                    unsigned timeout) {
  return RunWith({words, -1}, input, timeout);
}

ToolOutcome RunToolToItsEnd(const std::vector<const char*>& words, const std::string& input) {
  constexpr unsigned kPatience = 10;  // seconds
  return RunWith({words, -1, AT_FDCWD, false, nullptr, true}, input, kPatience);
}

ToolOutcome RunConfinedTool(const std::vector<const char*>& words, int input, unsigned timeout) {
  return Run({words, input, AT_FDCWD, true}, timeout);
}

ToolOutcome RunToolIn(int folder, const std::vector<const char*>& words, int input,
                      unsigned timeout, const UserHolder* user) {
  return Run({words, input, folder, false, user, false, true}, timeout);
}

std::string ToolComplaint(const std::string& what, const ToolOutcome& outcome) {
  if (outcome.problem.empty() && outcome.status == 0) return "";
  std::string said = outcome.output;
  while (!said.empty() && std::isspace(static_cast<unsigned char>(said.back()))) said.pop_back();
  if (said.size() > kToldAtMost) said = said.substr(0, kToldAtMost) + " (and more)";
  const std::string why = !outcome.problem.empty() ? outcome.problem
                          : said.empty()           ? "exit code " + std::to_string(outcome.status)
                                                   : said;
  return what + ": " + Printable(why);
}

}  // namespace crgen::restorer
