// SPDX-License-Identifier: Apache-2.0
// SET_ATTR descriptors for real.
#pragma once

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <string>
#include <variant>
#include <vector>

#include "dsl/commands.h"
#include "tests/support/kernel_files.h"
#include "tests/support/kernel_locks.h"

namespace crgen::test {

/// What is known of a set of epoll(7) is kept where all its holders find it: in the signal that
/// F_SETSIG gives its description.
class EpollMark {
 public:
  static constexpr int kFilled = 1, kWatched = 2;
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

  void Undo() {
    for (const Added& it : added_) epoll_ctl(it.set, EPOLL_CTL_DEL, it.fd, nullptr);
    for (auto mark = marks_.rbegin(); mark != marks_.rend(); ++mark) mark->Restore();
  }

 private:
  struct Added {
    Fd set;
    Fd fd;
  };
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
