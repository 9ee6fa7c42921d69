// SPDX-License-Identifier: Apache-2.0
// A pid namespace that somebody else has made, for a tree to be born in.
#pragma once

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace crgen::test {

/// Its init reaps, and lives as long as this does.
class PidSpace {
 public:
  /// A process there that has the number `occupant`; 0: none.
  explicit PidSpace(int occupant = 0) {
    int ends[2];
    if (pipe(ends) != 0) return;
    init_ = Clone(CLONE_NEWPID, 0);
    if (init_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      signal(SIGCHLD, SIG_IGN);
      if (occupant != 0 && Clone(0, occupant) < 0) _exit(1);
      if (write(ends[1], "", 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ends[1]);
    char byte;
    [[maybe_unused]] const ssize_t ready = read(ends[0], &byte, 1);
    close(ends[0]);
  }
  ~PidSpace() { End(); }
  PidSpace(const PidSpace&) = delete;
  PidSpace& operator=(const PidSpace&) = delete;

  void End() {
    if (init_ <= 0) return;
    kill(init_, SIGKILL);
    // It ends when nobody is left in there: also whom this process has to reap.
    while (waitpid(init_, nullptr, WNOHANG | __WALL) == 0) {
      while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) continue;
      usleep(1000);
    }
    init_ = -1;
  }
  pid_t init() const { return init_; }
  std::string Path() const { return "/proc/" + std::to_string(init_) + "/ns/pid"; }

  /// As /proc/PID/ns/pid has it.
  std::string Inode() const {
    struct stat status = {};
    return stat(Path().c_str(), &status) == 0 ? std::to_string(status.st_ino) : "none";
  }
  /// Whether children of this process are born there, from now on. False: errno.
  bool BearChildren(bool there) const {
    const std::string path = there ? Path() : "/proc/self/ns/pid";
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const bool done = fd >= 0 && setns(fd, CLONE_NEWPID) == 0;
    if (fd >= 0) close(fd);
    return done;
  }

  /// But for init, and whom that is just reaping: by their numbers there, those here.
  std::map<int, int> Others() const {
    std::map<int, int> others;
    std::error_code error;
    const auto own = std::filesystem::read_symlink(Path(), error);
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != name.npos || std::stoi(name) == init_) continue;
      if (std::filesystem::read_symlink(entry.path() / "ns/pid", error) != own) continue;
      std::ifstream status(entry.path() / "status");
      for (std::string line; std::getline(status, line);) {
        if (line.starts_with("State:\tX")) break;
        if (line.starts_with("NSpid:")) others[LastOf(line)] = std::stoi(name);
      }
    }
    return others;
  }

  /// "NSpgid:" and the like of /proc/PID/status, as the innermost namespace has it; -1: no such.
  static int InStatus(int pid, const std::string& label) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(label)) return LastOf(line);
    }
    return -1;
  }

 private:
  static int LastOf(const std::string& line) {
    return std::stoi(line.substr(line.find_last_of(" \t") + 1));
  }
  static pid_t Clone(std::uint64_t flags, pid_t number) {
    clone_args arguments = {};
    arguments.flags = flags;
    arguments.exit_signal = SIGCHLD;
    if (number != 0) {
      arguments.set_tid = reinterpret_cast<std::uint64_t>(&number);
      arguments.set_tid_size = 1;
    }
    const auto pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid == 0 && number != 0) {
      for (;;) pause();
    }
    return pid;
  }

  pid_t init_ = -1;
};

}  // namespace crgen::test
