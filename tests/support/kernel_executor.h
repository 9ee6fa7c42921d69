// SPDX-License-Identifier: Apache-2.0
// Commands as system calls of the calling process.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "dsl/commands.h"
#include "tests/support/kernel_files.h"
#include "tests/support/kernel_late.h"
#include "tests/support/kernel_memory.h"
#include "tests/support/kernel_terminals.h"
#include "tests/support/pid_namespace.h"

namespace crgen::test {

/// Where DSL.md asks for more than the kernel, an executor does what DSL.md says:
/// - OPEN_FILE fails with EEXIST where a number is taken, MAP_REGION and MOVE_REGION where
/// something
///   is mapped at the place; UNMAP_REGION with EINVAL where nothing is;
/// - DUP_FD onto the same number sets the flag, for which dup3(2) has EINVAL;
/// - WAIT for a child that lives fails with EAGAIN instead of waiting;
/// - MOVE_REGION moves one region or a part of one, else EFAULT; mremap(2) moves several
/// since 6.17;
/// - LOAD_PAGES fills all pages or none;
/// - nobody is born and nothing is opened once late state has been set (EINVAL);
/// - MAP_REGION of a shmem that has been created needs a view of it in the same process;
/// - a set of epoll(7) is filled at once, once, and before others watch it, else EEXIST and ELOOP.
/// All this is decided by what /proc and system calls tell at that moment, not by what was
/// executed.
class Executor {
 public:
  /// For the namespace's first process, whose children inherit all of it: no descriptors but its
  /// own, which are above those of programs. Returns what this machine does not allow.
  std::string Begin(SharedObjects* objects, bool terminals) {
    objects_ = objects;
    close_range(0, ~0u, 0);
    proc_ = Aside(OpenProc());
    if (proc_ < 0) return std::string("a /proc of the namespace: ") + strerror(errno);
    source_ = Aside(MakePageSource());
    if (source_ < 0) return std::string("a source of pages: ") + strerror(errno);
    return terminals ? MakeTerminals() : "";
  }

  int proc() const { return proc_; }

  /// 0 or errno. `repeat`: it is to succeed, so a number that is taken may be so only for the
  /// moment that the kernel needs to free it after a thread's death.
  int Execute(const CommandBody& body, bool repeat) {
    int error = 0;
    WhileTaken(repeat, [&] {
      error = std::visit([this](const auto& it) { return ExecuteOne(it); }, body);
      return error;
    });
    return error;
  }

  /// Returns twice: 0 in the child, else its pid or -errno.
  long Bear(const Fork& fork, bool repeat) {
    if (objects_->late.load() != 0) return -EINVAL;
    long child = 0;
    WhileTaken(repeat, [&] {
      child = Clone3(fork.flags.bits, fork.child_pid);
      if (child < 0) child = -errno;
      return static_cast<int>(-child);
    });
    return child;
  }

  [[noreturn]] void Die(const Exit& exit) {
    if (exit.status.code) _exit(static_cast<int>(*exit.status.code));
    const rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    kill(getpid(), static_cast<int>(exit.status.signal->value));
    for (;;) pause();
  }

  /// For a process that has no commands left.
  void Leave(const Resume& resume) {
    if (resume.stopped) kill(getpid(), static_cast<int>(resume.stopped->value));
  }

  /// A process is stopped when all its threads are.
  bool AwaitStop(Pid pid, const Deadline& deadline) const {
    const std::string threads = std::to_string(pid) + "/task";
    while (deadline.MillisecondsLeft() > 0) {
      const std::vector<std::string> tids = NamesIn(proc_, threads);
      const bool stopped = std::all_of(tids.begin(), tids.end(), [&](const std::string& tid) {
        ProcEntry entry;
        return ReadProcEntry(proc_, (threads + "/" + tid).c_str(), &entry) && entry.state == 'T';
      });
      if (stopped && !tids.empty()) return true;
      sched_yield();
    }
    return false;
  }

 private:
  template <typename Function>
  static void WhileTaken(bool repeat, Function&& function) {
    constexpr int kAttempts = 200;
    for (int i = 0; i < kAttempts; ++i) {
      if (function() != EEXIST || !repeat) return;
      usleep(1000);
    }
  }

  int ExecuteOne(const SetSid&) { return setsid() < 0 ? errno : 0; }
  int ExecuteOne(const SetPgid& set) { return setpgid(0, set.pgid) < 0 ? errno : 0; }
  int ExecuteOne(const CreateThread& create) {
    if (objects_->late.load() != 0) return EINVAL;
    const long thread = CloneSleepingThread(create.tid);
    return thread < 0 ? static_cast<int>(-thread) : 0;
  }
  int ExecuteOne(const Wait& wait) {
    const pid_t reaped = waitpid(wait.child_pid, nullptr, __WALL | WNOHANG);
    return reaped < 0 ? errno : reaped == 0 ? EAGAIN : 0;
  }
  /// The rest is set at the hand-over.
  int ExecuteOne(const SetAttr& set) {
    if (set.attributes->child_subreaper) {
      if (prctl(PR_SET_CHILD_SUBREAPER, *set.attributes->child_subreaper) < 0) return errno;
    }
    const int error = SetLateForReal(set.attributes->descriptors, proc_);
    if (error == 0 && !set.attributes->descriptors.empty()) objects_->late.store(1);
    return error;
  }

  int ExecuteOne(const OpenFile& open) {
    if (objects_->late.load() != 0) return EINVAL;
    const auto* tty = As<Tty>(*open.file);
    return tty != nullptr ? OpenTerminal(open, *tty, objects_) : OpenForReal(open, proc_, objects_);
  }
  int ExecuteOne(const DupFd& dup) {
    if (dup.old_fd != dup.new_fd) {
      return dup3(dup.old_fd, dup.new_fd, dup.cloexec ? O_CLOEXEC : 0) < 0 ? errno : 0;
    }
    return fcntl(dup.old_fd, F_SETFD, dup.cloexec ? FD_CLOEXEC : 0) < 0 ? errno : 0;
  }
  int ExecuteOne(const CloseFd& it) { return close(it.fd) < 0 ? errno : 0; }

  int ExecuteOne(const MapRegion& map) { return MapForReal(map, proc_, objects_); }
  int ExecuteOne(const UnmapRegion& unmap) { return UnmapForReal(unmap); }
  int ExecuteOne(const MoveRegion& move) { return MoveForReal(move, proc_); }
  int ExecuteOne(const ProtectRegion& protect) { return ProtectForReal(protect); }
  int ExecuteOne(const LoadPages& load) { return LoadForReal(load, source_); }

  // The runner's.
  int ExecuteOne(const Fork&) { return ENOSYS; }
  int ExecuteOne(const Exit&) { return ENOSYS; }
  int ExecuteOne(const Resume&) { return ENOSYS; }

  SharedObjects* objects_ = nullptr;
  int proc_ = -1;
  int source_ = -1;
};

}  // namespace crgen::test
