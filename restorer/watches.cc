// SPDX-License-Identifier: Apache-2.0
#include "restorer/watches.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

constexpr unsigned long kSetNextWd = _IOW('I', 0, std::int32_t);  // INOTIFY_IOC_SETNEXTWD
/// Without that call numbers are given out one after another.
constexpr int kMostAttempts = 1 << 16;

class Watcher {
 public:
  explicit Watcher(const WatchedFiles& files) : files_(files) {}

  /// What failed; empty: nothing.
  std::string Set(int group, const InotifyWatches& watches) const {
    for (const InotifyWatch& watch : watches.watches) {
      if (const char* failed = Add(group, watch)) {
        return std::string(failed) + " of watch " + std::to_string(watch.wd);
      }
    }
    return "";
  }

  std::string Set(int group, const FanotifyMarks& marks) const {
    std::ptrdiff_t ignoring = 0;
    for (std::size_t i = 0; i < marks.marks.size(); ++i) {
      const FanotifyMark& mark = marks.marks[i];
      if (!Add(group, mark, mark.mask.bits, false) ||
          !Add(group, mark, mark.ignored_mask.bits, true) ||
          (IsHeld(marks, mark) && !Mark(group, mark, FAN_MARK_REMOVE | kIgnored, FAN_OPEN))) {
        return "fanotify_mark of mark " + std::to_string(i);
      }
      ignoring += IgnoresOfInode(mark) ? 1 : 0;
    }
    return ignoring == 0 ? "" : CheckIgnoring(group, ignoring, "fanotify_mark of a file");
  }

  std::string SetIgnored(int group, const FanotifyMarks& marks) const {
    if (std::ranges::none_of(marks.marks, IsEarly)) return "";
    for (std::size_t i = 0; i < marks.marks.size(); ++i) {
      const FanotifyMark& mark = marks.marks[i];
      if (Watched(files_, mark).fd < 0) continue;  // not there yet
      std::string name = "fanotify_mark of mark " + std::to_string(i);
      const std::ptrdiff_t before = IsEarly(mark) ? Ignoring(group) : 0;
      if (before < 0) return name;
      if (IsHeld(marks, mark) ? !Mark(group, mark, FAN_MARK_ADD | kIgnored, FAN_OPEN)
                              : !Add(group, mark, mark.ignored_mask.bits, true)) {
        return name;
      }
      std::string dropped = IsEarly(mark) ? CheckIgnoring(group, before + 1, name) : "";
      if (!dropped.empty()) return dropped;
    }
    return "";
  }

 private:
  static constexpr std::uint64_t kIgnored = FAN_MARK_IGNORED_MASK;
  static constexpr std::uint64_t kOfIgnored = FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_IGNORE;

  static bool IsEarly(const FanotifyMark& mark) {
    return IgnoresOfInode(mark) && !mark.flags.Has(FAN_MARK_IGNORED_SURV_MODIFY);
  }
  /// Whether it ignores something meanwhile, to be where it is in the order that fdinfo shows.
  static bool IsHeld(const FanotifyMarks& marks, const FanotifyMark& mark) {
    return mark.ignored_mask.bits == 0 && std::ranges::any_of(marks.marks, IsEarly);
  }

  static bool IgnoresOfInode(const FanotifyMark& mark) {
    constexpr std::uint64_t kNoEvents = std::uint64_t{FAN_ONDIR} | FAN_EVENT_ON_CHILD;
    return mark.type.value == FAN_MARK_INODE && (mark.ignored_mask.bits & ~kNoEvents) != 0;
  }

  /// Whether the kernel has kept so many: no call says that it has not.
  static std::string CheckIgnoring(int group, std::ptrdiff_t wanted, const std::string& name) {
    const std::ptrdiff_t found = Ignoring(group);
    if (found == wanted) return "";
    if (found < 0) return name;
    errno = 0;
    return name +
           ": the kernel has dropped its ignored_mask, without FAN_MARK_IGNORED_SURV_MODIFY: "
           "somebody outside has the file open for writing";
  }

  /// How many marks of inodes the group has that ignore anything; -1: errno says why.
  static std::ptrdiff_t Ignoring(int group) {
    if (FailsOnPurpose()) return -1;
    std::ifstream info("/proc/self/fdinfo/" + std::to_string(group));
    if (!info) return -1;
    constexpr std::string_view kMask = " ignored_mask:";
    std::ptrdiff_t found = 0;
    for (std::string line; std::getline(info, line);) {
      const std::size_t at = line.find(kMask);
      if (!line.starts_with("fanotify ino:") || at == line.npos) continue;
      found += std::strtoul(line.c_str() + at + kMask.size(), nullptr, 16) != 0 ? 1 : 0;
    }
    return found;
  }

  /// nullptr, or the call that failed.
  const char* Add(int group, const InotifyWatch& watch) const {
    const Watched watched(files_, watch);
    if (watched.fd < 0) return "openat2";
    const std::string path = watched.path();
    // A watch without any event is made by asking for a flag that none has.
    const auto mask = static_cast<std::uint32_t>(watch.mask.bits == 0 ? IN_ISDIR : watch.mask.bits);
    const bool by_number = !FailsOnPurpose() && ioctl(group, kSetNextWd, watch.wd) == 0;
    for (int i = 0; i < kMostAttempts; ++i) {
      const int wd = FailsOnPurpose() ? -1 : inotify_add_watch(group, path.c_str(), mask);
      if (wd < 0) return "inotify_add_watch";
      if (wd == watch.wd) return nullptr;
      errno = EEXIST;
      if (by_number || wd > watch.wd || inotify_rm_watch(group, wd) != 0) break;
      Discard(group);
    }
    return "inotify_add_watch: another number";
  }

  /// IN_IGNORED of what was removed again.
  static void Discard(int group) {
    char events[4096];
    int bytes = 0;
    while (ioctl(group, FIONREAD, &bytes) == 0 && bytes > 0) {
      if (read(group, events, sizeof events) <= 0) return;
    }
  }

  bool Add(int group, const FanotifyMark& mark, std::uint64_t mask, bool ignored) const {
    if (mask == 0) return true;
    std::uint64_t flags = FAN_MARK_ADD;
    if (ignored) {
      flags |= mark.flags.bits & kOfIgnored;
      if ((flags & 0x400) == 0) flags |= kIgnored;
    }
    return Mark(group, mark, flags, mask);
  }

  bool Mark(int group, const FanotifyMark& mark, std::uint64_t flags, std::uint64_t mask) const {
    flags |= mark.type.value | (mark.flags.bits & ~kOfIgnored);
    const Watched watched(files_, mark);
    if (watched.fd < 0) return false;
    const std::string path = watched.path();
    return !FailsOnPurpose() &&
           fanotify_mark(group, static_cast<unsigned>(flags), mask, AT_FDCWD, path.c_str()) == 0;
  }

  /// What is watched: held by preflight, or found in what only the restore has made.
  struct Watched {
    template <typename Watch>
    Watched(const WatchedFiles& by, const Watch& it) {
      if (it.unlinked) {
        fd = std::stoi(by.unlinked.at(*it.unlinked));
        return;
      }
      if (it.mount) {
        FindElsewhere(by.paths, it.path->bytes, it.handle, *it.mount);
        return;
      }
      fd = by.files.watched(WatchedKey(it.path, it.handle));
      own = fd < 0 && it.path && !by.paths.IsOwn();
      if (own) fd = FailsOnPurpose() ? -1 : by.paths.OpenMounted(it.path->bytes, O_NOFOLLOW);
    }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    ~Watched() {
      const int error = errno;
      if (own && fd >= 0) close(fd);
      errno = error;
    }
    /// In another mount namespace than the root's, where preflight has looked at nothing.
    void FindElsewhere(const TreePaths& paths, const std::string& path,
                       const std::optional<InodeHandle>& handle, std::uint64_t mount) {
      own = true;
      fd = FailsOnPurpose() ? -1 : paths.Of(mount).OpenMounted(path, O_NOFOLLOW);
      struct stat facts;
      if (fd < 0 || !handle || paths.IsMadeAnew(mount)) return;
      if (fstat(fd, &facts) == 0 && facts.st_ino == handle->inode) return;
      close(std::exchange(fd, -1));
      errno = ESTALE;
    }
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }
    int fd = -1;
    bool own = false;
  };

  const WatchedFiles& files_;
};

/// `set`: of a Watcher, a group and its late state.
template <typename Set>
RestoreProblem ForEachGroup(const Program& program, const LateFiles& late_files,
                            const std::map<FileId, int>& groups, Set&& set_late) {
  if (groups.empty()) return {};
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set == nullptr) continue;
    const std::vector<DescriptorState>& entries = set->attributes->descriptors;
    for (std::size_t k = 0; k < entries.size(); ++k) {
      const std::string failed = std::visit(
          [&](const auto& late) -> std::string {
            if constexpr (requires { set_late(0, late); }) {
              return set_late(groups.at(late_files.at(i)[k]->id), late);
            }
            return "";
          },
          entries[k].state);
      if (!failed.empty()) {
        return {errno == 0 ? failed : ErrorText(failed), static_cast<std::uint32_t>(i)};
      }
    }
  }
  return {};
}

}  // namespace

RestoreProblem SetIgnored(const Program& program, const LateFiles& late_files,
                          const std::map<FileId, int>& groups, const WatchedFiles& files) {
  const Watcher watcher(files);
  return ForEachGroup(program, late_files, groups, [&](int group, const FanotifyMarks& marks) {
    return watcher.SetIgnored(group, marks);
  });
}

RestoreProblem SetWatches(const Program& program, const LateFiles& late_files,
                          const std::map<FileId, int>& groups, const WatchedFiles& files) {
  const Watcher watcher(files);
  return ForEachGroup(
      program, late_files, groups,
      [&]<typename Late>(int group, const Late& late) requires requires {
        watcher.Set(group, late);
      } { return watcher.Set(group, late); });
}

}  // namespace crgen::restorer
