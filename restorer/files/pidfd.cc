// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/pidfd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "restorer/problem.h"

namespace crgen::restorer {

std::string FileRestorer<Pidfd>::Prepare(const File& file, const Pidfd& pidfd, Services& services) {
  if (!pidfd.dead) return "";
  const auto problem = [&](const char* call) {
    return "pidfd of dead process " + std::to_string(pidfd.dead->value) + ": " + ErrorText(call);
  };
  pid_t& helper = services.dying[*pidfd.dead];
  if (helper == 0) {
    const pid_t supervisor = getpid();
    helper = fork();
    if (helper == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // whatever becomes of the supervisor
      while (getppid() == supervisor) pause();
      _exit(1);
    }
    if (helper < 0) return problem("fork");
  }
  const unsigned flags = pidfd.thread ? O_EXCL : 0;  // PIDFD_THREAD
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, helper, flags));
  if (fd < 0) return problem("pidfd_open");
  services.made[file.id] = fd;
  return "";
}

void EndDying(Services& services) {
  for (const auto& [id, helper] : services.dying) {
    if (helper <= 0) continue;
    kill(helper, SIGKILL);
    while (waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  services.dying.clear();
}

}  // namespace crgen::restorer
