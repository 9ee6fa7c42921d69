// SPDX-License-Identifier: Apache-2.0
// Ptys for real: OPEN_FILE of a TTY, and its late state.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "dsl/commands.h"
#include "tests/support/kernel_files.h"

namespace crgen::test {

/// Programs have the ptys 0 to 2, by index, and the terminals 0 to 2, by id.
inline constexpr std::uint32_t kTerminals = 3;

/// All masters, as a restorer holds them until everybody runs: no end of a program's descriptions
/// hangs a terminal up. All processes of a program inherit them.
inline std::array<int, kTerminals> masters = {-1, -1, -1};

inline std::string PtyPath(std::uint32_t index) { return "/dev/pts/" + std::to_string(index); }

/// For the namespace's first process: a devpts(5) of its own. Returns what this machine does not
/// allow.
inline std::string MakeTerminals() {
  // Whoever is in the background may say which group is in the foreground.
  signal(SIGTTOU, SIG_IGN);
  const auto failed = [](const std::string& what) { return what + ": " + strerror(errno); };
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return failed("a mount namespace");
  }
  if (mount("none", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666") != 0) {
    return failed("a devpts");
  }
  for (std::uint32_t index = 0; index < kTerminals; ++index) {
    const int unlocked = 0;
    masters[index] = Aside(open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    unsigned given = kTerminals;
    if (masters[index] < 0 || ioctl(masters[index], TIOCGPTN, &given) != 0 || given != index ||
        ioctl(masters[index], TIOCSPTLCK, &unlocked) != 0) {
      return failed("a pty");
    }
  }
  return "";
}

/// A program's master has one description, and a terminal one index. Aside; -1: errno.
inline int OpenTerminalAside(const File& file, const Tty& tty, SharedObjects* objects) {
  constexpr std::uint32_t kKnown = 1, kMaster = 2, kIndexShift = 8;
  const auto flags = static_cast<int>(file.flags.bits);
  if (tty.driver == kOwnTerminal) return Aside(open("/dev/tty", flags | O_NOCTTY));
  SharedWord& known = objects->terminal[tty.tty_id.value];
  const std::uint32_t before = known.load();
  if ((before & kKnown) != 0 && before >> kIndexShift != *tty.index) {
    errno = EINVAL;
    return -1;
  }
  errno = 0;
  for (std::size_t id = 0; id < kTerminals && (before & kKnown) == 0; ++id) {
    const std::uint32_t other = objects->terminal[id].load();
    if ((other & kKnown) != 0 && other >> kIndexShift == *tty.index) errno = EEXIST;
  }
  if (IsPtyMaster(tty) && (before & kMaster) != 0) errno = EEXIST;
  if (errno != 0) return -1;
  int fd = -1;
  if (IsPtyMaster(tty)) {
    fd = Aside(dup(masters[*tty.index]));
    if (fd >= 0) fcntl(fd, F_SETFL, flags);
  } else {
    fd = Aside(open(PtyPath(*tty.index).c_str(), flags | O_NOCTTY));
    if (fd >= 0 && tty.controlling && ioctl(fd, TIOCSCTTY, 0) != 0) {
      const int error = errno;
      close(fd);
      errno = error;
      return -1;
    }
  }
  if (fd >= 0) {
    const std::uint32_t role = IsPtyMaster(tty) ? kMaster : 0;
    known.store(before | kKnown | role | *tty.index << kIndexShift);
  }
  return fd;
}

inline int OpenTerminal(const OpenFile& open, const Tty& tty, SharedObjects* objects) {
  if (const int error = CheckFreeNumber(open.fd); error != 0) return error;
  const int fd = OpenTerminalAside(*open.file, tty, objects);
  return fd < 0 ? errno : PutAt(fd, open.fd, open.cloexec);
}

inline int SetForeground(Fd fd, const TtyForeground& setting) {
  const Pid group = setting.foreground.value;
  const auto set = [&] { return ioctl(fd, TIOCSPGRP, &group) != 0 ? errno : 0; };
  const int error = set();
  if (error != ESRCH) return error;
  const long child = Clone3(0, group);
  if (child == 0) _exit(0);
  const int again = set();
  waitpid(static_cast<pid_t>(child), nullptr, __WALL);
  return again;
}

inline int LockTerminal(Fd fd) {
  const int locked = 1;
  return ioctl(fd, TIOCSPTLCK, &locked) != 0 ? errno : 0;
}

}  // namespace crgen::test
