// SPDX-License-Identifier: Apache-2.0
// System calls of the kernel test: processes with chosen pids, futexes, /proc of a namespace.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <optional>
#include <string>

#include "model/ids.h"

namespace crgen::test {

/// A moment of CLOCK_MONOTONIC that nobody waits beyond.
class Deadline {
 public:
  explicit Deadline(int seconds) {
    clock_gettime(CLOCK_MONOTONIC, &at_);
    at_.tv_sec += seconds;
  }
  const timespec* at() const { return &at_; }
  int MillisecondsLeft() const {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const long left = (at_.tv_sec - now.tv_sec) * 1000 + (at_.tv_nsec - now.tv_nsec) / 1000000;
    return left > 0 ? static_cast<int>(left) : 0;
  }

 private:
  timespec at_;
};

using SharedWord = std::atomic<std::uint32_t>;

/// Sleeps while *word is `value`; false: the deadline has passed.
inline bool SleepWhile(SharedWord* word, std::uint32_t value, const Deadline& deadline) {
  while (word->load() == value) {
    const long slept = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, deadline.at(), nullptr,
                               FUTEX_BITSET_MATCH_ANY);
    if (slept != 0 && errno != EAGAIN && errno != EINTR) return false;
  }
  return true;
}

inline void SetAndWake(SharedWord* word, std::uint32_t value) {
  word->store(value);
  syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

/// clone3(2); returns twice like fork(2). `set_tid` absent: any pid.
inline long Clone3(std::uint64_t flags, std::optional<Pid> set_tid, int* pidfd = nullptr) {
  clone_args args = {};
  args.flags = flags;
  // The kernel wants none with CLONE_PARENT: the caller's own is taken.
  args.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  if (set_tid) {
    args.set_tid = reinterpret_cast<std::uintptr_t>(&*set_tid);
    args.set_tid_size = 1;
  }
  args.pidfd = reinterpret_cast<std::uintptr_t>(pidfd);
  return syscall(SYS_clone3, &args, sizeof args);
}

/// A thread with this tid that sleeps for ever; it needs no stack for that. Else -errno.
inline long CloneSleepingThread(Pid tid) {
  clone_args args = {};
  args.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  args.set_tid = reinterpret_cast<std::uintptr_t>(&tid);
  args.set_tid_size = 1;
  long result = SYS_clone3;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 2f\n"
      "1:\n\t"
      "mov %[pause], %%eax\n\t"
      "syscall\n\t"
      "jmp 1b\n"
      "2:"
      : "+a"(result)
      : "D"(&args), "S"(sizeof args), [pause] "i"(SYS_pause)
      : "rcx", "r11", "memory", "cc");
  return result;
}

/// Whether the process behind a pidfd is dead (a zombie whose children are reparented) in time.
inline bool AwaitDeath(int pidfd, const Deadline& deadline) {
  pollfd waiting = {pidfd, POLLIN, 0};
  int ready;
  do {
    ready = poll(&waiting, 1, deadline.MillisecondsLeft());
  } while (ready < 0 && errno == EINTR);
  return ready == 1;
}

/// Likewise of a pid; one that is reaped already is dead.
inline bool AwaitDeathOf(Pid pid, const Deadline& deadline) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) return errno == ESRCH;
  const bool dead = AwaitDeath(pidfd, deadline);
  close(pidfd);
  return dead;
}

/// What /proc says of a process.
struct ProcEntry {
  Pid ppid = 0;
  Pid pgid = 0;
  Pid sid = 0;
  char state = '?';
  int exit_code = 0;  ///< of a zombie, as wait(2) gives it
};

/// A /proc of the caller's pid namespace that is mounted nowhere; -1: errno.
inline int OpenProc() {
  const int context = fsopen("proc", FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  int mount = -1;
  if (fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
    mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
  }
  const int error = errno;
  close(context);
  errno = error;
  return mount;
}

inline bool ReadProcEntry(int proc, const char* pid, ProcEntry* entry) {
  const int fd = openat(proc, (std::string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[1024];
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return false;
  text[size] = '\0';
  const std::string line(text);
  const auto name_end = line.rfind(')');
  if (name_end == line.npos) return false;
  // The status is the last of all fields.
  entry->exit_code = std::atoi(line.c_str() + line.rfind(' ') + 1);
  return std::sscanf(line.c_str() + name_end + 1, " %c %d %d %d", &entry->state, &entry->ppid,
                     &entry->pgid, &entry->sid) == 4;
}

/// All processes of the namespace that `proc` shows; false: it cannot be read.
inline bool ReadProcesses(int proc, std::map<Pid, ProcEntry>* processes) {
  const int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* folder = fd < 0 ? nullptr : fdopendir(fd);
  if (folder == nullptr) return false;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    Pid pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    // Who is reaped meanwhile is gone.
    if (!ReadProcEntry(proc, entry->d_name, &(*processes)[pid])) processes->erase(pid);
  }
  closedir(folder);
  return true;
}

}  // namespace crgen::test
