// SPDX-License-Identifier: Apache-2.0
#include "restorer/from_outside.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "restorer/proc_files.h"
#include "restorer/supervisor_calls.h"
#include "restorer/watch.h"

namespace crgen::restorer {
namespace {

bool IsLeader(const ThreadStart& start) {
  return start.thread == &start.thread->process->threads[0];
}

RestoreProblem Failed(const ThreadStart& start, const char* call) {
  return {ErrorText(NameOf(*start.thread) + ": " + call), start.thread->command};
}

bool Raise(pid_t number, const LimitState& limit) {
  rlimit64 own;
  if (FailsOnPurpose() || syscall(__NR_prlimit64, number, limit.resource, nullptr, &own) != 0) {
    return false;
  }
  if (limit.maximum <= own.rlim_max) return true;
  own.rlim_max = limit.maximum;
  return !FailsOnPurpose() && syscall(__NR_prlimit64, number, limit.resource, &own, nullptr) == 0;
}

bool SetOomScore(pid_t number, const char* text) {
  const std::string path = "/proc/" + std::to_string(number) + "/oom_score_adj";
  const int fd = FailsOnPurpose() ? -1 : open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const auto size = static_cast<ssize_t>(std::strlen(text));
  const bool written = !FailsOnPurpose() && write(fd, text, std::strlen(text)) == size;
  const int error = errno;
  close(fd);
  errno = error;
  return written;
}

/// 0, or errno.
int SetBuffer(pid_t number, const Request& request) {
  const auto failed = [] { return errno; };
  const int process = static_cast<int>(syscall(__NR_pidfd_open, number, 0));
  if (process < 0) return failed();
  const int fd = static_cast<int>(syscall(__NR_pidfd_getfd, process, request.fd, 0));
  int error = fd < 0 ? errno : 0;
  close(process);
  if (fd < 0) return error;
  if (setsockopt(fd, SOL_SOCKET, request.option, &request.value, sizeof request.value) != 0) {
    error = errno;
  }
  close(fd);
  return error;
}

/// 0, or errno. Nothing of it is believed.
int Answer(const Script& script, pid_t root, const Request& request) {
  if (FailsOnPurpose()) return EIO;
  if (request.option != SO_SNDBUFFORCE && request.option != SO_RCVBUFFORCE) return EINVAL;
  const auto found =
      std::ranges::find_if(script.processes.begin() + 1, script.processes.end(),
                           [&](const Process* it) { return it->pid == request.pid; });
  if (found == script.processes.end()) return ESRCH;
  const Thread& leader = (*found)->threads[0];
  pid_t number = leader.tid;
  if (leader.outer_tid != nullptr) {
    number = static_cast<pid_t>(__atomic_load_n(leader.outer_tid, __ATOMIC_SEQ_CST));
    if (!IsThreadOf(root, number, leader.process->pid, leader.tid)) return ESRCH;
  }
  return SetBuffer(number, request);
}

}  // namespace

RestoreProblem RaiseFromOutside(const Script& script) {
  for (const ThreadStart& start : script.threads) {
    if (!IsLeader(start)) continue;
    const Process& process = *start.thread->process;
    for (std::uint32_t i = 0; i < process.limit_count; ++i) {
      if (!Raise(start.number, process.limits[i])) return Failed(start, "prlimit64");
    }
    if (start.oom_score_adj != nullptr && !SetOomScore(start.number, start.oom_score_adj)) {
      return Failed(start, "oom_score_adj");
    }
  }
  return {};
}

RestoreProblem ScheduleFromOutside(const Script& script) {
  for (const ThreadStart& start : script.threads) {
    const SchedulingState* s = start.scheduling;
    if (s == nullptr) continue;
    // Of other policies, sched_setattr(2) leaves the niceness for when they end.
    const bool apart = s->policy != SCHED_OTHER && s->policy != SCHED_BATCH;
    if (apart && (FailsOnPurpose() ||
                  setpriority(PRIO_PROCESS, static_cast<id_t>(start.number), s->nice) != 0)) {
      return Failed(start, "setpriority");
    }
    if (FailsOnPurpose() || syscall(__NR_sched_setattr, start.number, s, 0) != 0) {
      return Failed(start, "sched_setattr");
    }
  }
  return {};
}

void AnswerRequest(const Script& script, pid_t root) {
  Request& shared = script.board->request;
  if (__atomic_exchange_n(&shared.set, 0, __ATOMIC_SEQ_CST) == 0) return;
  const Request request = shared;
  shared.error = Answer(script, root, request);
  __atomic_store_n(&shared.done, 1, __ATOMIC_SEQ_CST);
  syscall(__NR_futex, &shared.done, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

}  // namespace crgen::restorer
