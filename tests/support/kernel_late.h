// SPDX-License-Identifier: Apache-2.0
// SET_ATTR descriptors for real.
#pragma once

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/commands.h"
#include "tests/support/kernel_files.h"
#include "tests/support/kernel_locks.h"
#include "tests/support/kernel_terminals.h"

namespace crgen::test {

/// What is known of a description, a set of epoll(7) above all, is kept where all its holders find
/// it: in the signal that F_SETSIG gives its description.
class EpollMark {
 public:
  static constexpr int kFilled = 1, kWatched = 2, kForeground = 4, kLocked = 8;
  explicit EpollMark(Fd fd) : fd_(fd), before_(fcntl(fd, F_GETSIG)) {}
  bool Has(int mark) const { return (before_ & mark) != 0; }
  void Add(int mark) const { fcntl(fd_, F_SETSIG, before_ | mark); }
  void Restore() const { fcntl(fd_, F_SETSIG, before_); }

 private:
  Fd fd_;
  int before_;
};

inline bool IsEpollSet(Fd fd, int proc) {
  return LinkText(proc, "self/fd/" + std::to_string(fd)) == "anon_inode:[eventpoll]";
}

/// Fills sets, which leaves nothing behind where it fails, and locks files.
class LateExecutor {
 public:
  explicit LateExecutor(int proc) : proc_(proc) {}

  int Fill(Fd fd, const EpollTargets& set) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return EBADF;
    if ((flags & O_PATH) != 0) return EBADF;  // it has no signal either
    const EpollMark mark(fd);
    if (mark.Has(EpollMark::kFilled)) return EEXIST;
    if (set.targets.empty()) return EINVAL;
    if (mark.Has(EpollMark::kWatched)) return ELOOP;
    for (const EpollTarget& target : set.targets) {
      epoll_event event = {};
      event.events = static_cast<std::uint32_t>(target.events.bits);
      event.data.u64 = target.data.value;
      if (epoll_ctl(fd, EPOLL_CTL_ADD, target.fd, &event) < 0) return errno;
      added_.push_back({fd, target.fd});
      if (IsEpollSet(target.fd, proc_)) Mark(target.fd, EpollMark::kWatched);
    }
    Mark(fd, EpollMark::kFilled);
    return 0;
  }

  int Fill(Fd fd, const TtyForeground& setting) {
    return Once(fd, EpollMark::kForeground, [&] { return SetForeground(fd, setting); });
  }
  int Fill(Fd fd, const TtyLock&) {
    return Once(fd, EpollMark::kLocked, [&] { return LockTerminal(fd); });
  }
  int Fill(Fd fd, const LockSetting& setting) { return LockForReal(fd, setting.locks); }
  int Fill(Fd fd, const LeaseSetting& setting) { return LockForReal(fd, setting.locks); }
  template <typename Late>
  int Fill(Fd, const Late&) {
    return ENOSYS;
  }
  /// The kernel keeps no flags but those of the watch, and changes a watch that is there already.
  int Fill(Fd fd, const InotifyWatches& watches) {
    if (fcntl(fd, F_GETFD) < 0) return EBADF;
    const EpollMark mark(fd);
    const bool inotify = LinkText(proc_, "self/fd/" + std::to_string(fd)) == "anon_inode:inotify";
    if (inotify && mark.Has(EpollMark::kFilled)) return EEXIST;
    if (!inotify || watches.watches.empty()) return EINVAL;
    std::vector<int> added;
    const auto fail = [&](int error) {
      for (const int wd : added) inotify_rm_watch(fd, wd);
      return error;
    };
    for (const InotifyWatch& watch : watches.watches) {
      std::int32_t next = watch.wd;
      if (ioctl(fd, _IOW('I', 0, std::int32_t), next) < 0) return fail(errno);
      if ((watch.mask.bits & (IN_ONLYDIR | IN_DONT_FOLLOW)) != 0) return fail(EINVAL);
      const auto mask = static_cast<std::uint32_t>(watch.mask.bits) | IN_MASK_CREATE;
      const int wd = inotify_add_watch(fd, watch.path->bytes.c_str(), mask);
      if (wd < 0) return fail(errno);
      added.push_back(wd);
      if (wd != watch.wd) return fail(EEXIST);
    }
    Mark(fd, EpollMark::kFilled);
    return 0;
  }

  /// The kernel adds to a mark that is there already.
  int Fill(Fd fd, const FanotifyMarks& marks) {
    if (const int error = Begin(fd, "anon_inode:[fanotify]"); error != 0) return error;
    if (marks.marks.empty()) return EINVAL;
    std::vector<std::pair<std::uint64_t, std::string>> marked;
    for (const FanotifyMark& mark : marks.marks) {
      const auto type = static_cast<unsigned>(mark.type.value);
      const auto add = [&](unsigned flags, std::uint64_t mask) {
        return fanotify_mark(fd, FAN_MARK_ADD | type | flags, mask, AT_FDCWD,
                             mark.path->bytes.c_str()) == 0;
      };
      const auto ignored = FAN_MARK_IGNORED_MASK | static_cast<unsigned>(mark.flags.bits);
      const std::pair<std::uint64_t, std::string> key(mark.type.value, mark.path->bytes);
      int error = 0;
      if (mark.mask.bits != 0 || mark.ignored_mask.bits == 0)
        error = add(0, mark.mask.bits) ? 0 : errno;
      if (error == 0 && mark.ignored_mask.bits != 0) {
        error = add(ignored, mark.ignored_mask.bits) ? 0 : errno;
      }
      if (error == 0 && std::find(marked.begin(), marked.end(), key) != marked.end())
        error = EEXIST;
      if (error != 0) {
        for (const unsigned it : {FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM}) {
          fanotify_mark(fd, FAN_MARK_FLUSH | it, 0, AT_FDCWD, nullptr);
        }
        return error;
      }
      marked.push_back(key);
    }
    Mark(fd, EpollMark::kFilled);
    return 0;
  }
  /// `value` is the time that is left.
  int Fill(Fd fd, const TimerfdSetting& setting) {
    if (const int error = Begin(fd, "anon_inode:[timerfd]"); error != 0) return error;
    const auto time = [](const TimeSpan& span) {
      return timespec{static_cast<time_t>(span.sec), static_cast<long>(span.nsec)};
    };
    itimerspec wanted = {time(setting.interval), time(setting.value)};
    const auto flags = static_cast<int>(setting.settime_flags.bits);
    constexpr time_t kEver = 9'000'000'000;
    if ((flags & TFD_TIMER_ABSTIME) != 0 && wanted.it_value.tv_sec > 0 &&
        wanted.it_value.tv_sec < kEver) {
      int clock = 0;
      for (const std::string& line : InfoOf(fd)) std::sscanf(line.c_str(), "clockid: %d", &clock);
      // Without a clock in hardware that wakes the machine, nobody can ask those that do.
      timespec now = {};
      clock_gettime(clock == CLOCK_REALTIME_ALARM   ? CLOCK_REALTIME
                    : clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME
                                                    : clock,
                    &now);
      wanted.it_value.tv_sec += now.tv_sec;
    }
    if (timerfd_settime(fd, flags, &wanted, nullptr) < 0) return errno;
    if (setting.ticks != 0 && ioctl(fd, _IOW('T', 0, std::uint64_t), &setting.ticks) < 0) {
      const int error = errno;
      constexpr itimerspec kNone = {};
      timerfd_settime(fd, 0, &kNone, nullptr);
      return error;
    }
    Mark(fd, EpollMark::kFilled);
    return 0;
  }

  template <typename Set>
  int Once(Fd fd, int mark, Set&& set) {
    if (fcntl(fd, F_GETFD) < 0) return EBADF;
    if (EpollMark(fd).Has(mark)) return EEXIST;
    const int error = set();
    if (error == 0) Mark(fd, mark);
    return error;
  }

  void Undo() {
    for (const Added& it : added_) epoll_ctl(it.set, EPOLL_CTL_DEL, it.fd, nullptr);
    for (auto mark = marks_.rbegin(); mark != marks_.rend(); ++mark) mark->Restore();
  }

 private:
  struct Added {
    Fd set;
    Fd fd;
  };
  /// Whether `fd` is of that kind, and has no such state yet.
  int Begin(Fd fd, const std::string& link) const {
    if (fcntl(fd, F_GETFD) < 0) return EBADF;
    if (LinkText(proc_, "self/fd/" + std::to_string(fd)) != link) return EINVAL;
    return EpollMark(fd).Has(EpollMark::kFilled) ? EEXIST : 0;
  }
  std::vector<std::string> InfoOf(Fd fd) const {
    return LinesOf(proc_, "self/fdinfo/" + std::to_string(fd));
  }
  void Mark(Fd fd, int mark) {
    marks_.emplace_back(fd);
    marks_.back().Add(mark);
  }

  int proc_;
  std::vector<Added> added_;
  std::vector<EpollMark> marks_;
};

inline int SetLateForReal(const std::vector<DescriptorState>& entries, int proc) {
  LateExecutor executor(proc);
  for (const DescriptorState& late : entries) {
    const int error =
        std::visit([&](const auto& state) { return executor.Fill(late.fd, state); }, late.state);
    if (error == 0) continue;
    executor.Undo();
    return error;
  }
  return 0;
}

}  // namespace crgen::test
