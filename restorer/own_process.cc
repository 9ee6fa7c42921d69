// SPDX-License-Identifier: Apache-2.0
#include "restorer/own_process.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "model/printable.h"
#include "restorer/problem.h"

namespace crgen::restorer {
namespace {

/// Empty, or what failed of the process itself.
std::string RunOwn(const std::function<void(Answer*)>& act, Answer* answer) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrorText("fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) act(answer);
    _exit(0);
  }
  int status = 0;
  pid_t ended;
  do ended = waitpid(pid, &status, 0);
  while (ended < 0 && errno == EINTR);
  if (ended < 0) return ErrorText("waitpid");
  return status == 0 ? "" : "the process that connects was killed";
}

}  // namespace

void Answer::Fails(const char* what) {
  error = errno;
  call = what;
}

bool SetFsId(long call, std::uint32_t id) {
  syscall(call, id);
  return static_cast<std::uint32_t>(syscall(call, -1)) == id;  // an id that nobody has asks
}

std::string InOwnProcess(const std::string& what, const std::function<void(Answer*)>& act) {
  void* shared =
      mmap(nullptr, sizeof(Answer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return ErrorText("mmap");
  Answer* answer = new (shared) Answer;
  std::string problem = RunOwn(act, answer);
  if (problem.empty() && answer->call != nullptr) {
    problem = std::string(answer->call) + " " + Printable(what);
    if (answer->has_uid) problem += ", as user " + std::to_string(answer->uid);
    problem += std::string(": ") + std::strerror(answer->error);
  }
  if (problem.empty() && answer->there != nullptr)
    problem = Printable(what) + " is " + answer->there;
  munmap(shared, sizeof(Answer));
  return problem;
}

}  // namespace crgen::restorer
