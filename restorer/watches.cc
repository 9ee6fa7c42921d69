#include "restorer/watches.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <unordered_map>

#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

constexpr unsigned long kSetNextWd = _IOW('I', 0, std::int32_t);  // INOTIFY_IOC_SETNEXTWD
/// Without that call numbers are given out one after another.
constexpr int kMostAttempts = 1 << 16;

class Watcher {
 public:
  Watcher(const Script& script, const HostFiles& files) : files_(files) {
    for (const ThreadStart& start : script.threads) {
      if (start.thread == &start.thread->process->threads[0]) {
        numbers_[start.thread->tid] = start.number;
      }
    }
  }

  /// What failed; empty: nothing.
  std::string Set(Pid pid, const DescriptorState& late) {
    return std::visit([&](const auto& state) { return Set(pid, late.fd, state); }, late.state);
  }

 private:
  template <typename Late>
  std::string Set(Pid, Fd, const Late&) {
    return "";
  }

  std::string Set(Pid pid, Fd fd, const InotifyWatches& watches) {
    return WithDescription(pid, fd, [&](int group) {
      for (const InotifyWatch& watch : watches.watches) {
        if (const char* failed = Add(group, watch)) {
          return std::string(failed) + " of watch " + std::to_string(watch.wd);
        }
      }
      return std::string();
    });
  }

  /// nullptr, or the call that failed.
  const char* Add(int group, const InotifyWatch& watch) {
    const std::string path = PathOf(watch.path, watch.handle);
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

  std::string Set(Pid pid, Fd fd, const FanotifyMarks& marks) {
    return WithDescription(pid, fd, [&](int group) {
      for (std::size_t i = 0; i < marks.marks.size(); ++i) {
        const FanotifyMark& mark = marks.marks[i];
        if (Add(group, mark, mark.mask.bits, false) &&
            Add(group, mark, mark.ignored_mask.bits, true))
          continue;
        return "fanotify_mark of mark " + std::to_string(i);
      }
      return std::string();
    });
  }

  bool Add(int group, const FanotifyMark& mark, std::uint64_t mask, bool ignored) {
    constexpr std::uint64_t kOfIgnored = FAN_MARK_IGNORED_SURV_MODIFY | 0x400 /* FAN_MARK_IGNORE */;
    if (mask == 0) return true;
    std::uint64_t flags = FAN_MARK_ADD | mark.type.value | (mark.flags.bits & ~kOfIgnored);
    if (ignored) {
      flags |= mark.flags.bits & kOfIgnored;
      if ((flags & 0x400) == 0) flags |= FAN_MARK_IGNORED_MASK;
    }
    const std::string path = PathOf(mark.path, mark.handle);
    return !FailsOnPurpose() &&
           fanotify_mark(group, static_cast<unsigned>(flags), mask, AT_FDCWD, path.c_str()) == 0;
  }

  std::string PathOf(const std::optional<Text>& path,
                     const std::optional<InodeHandle>& handle) const {
    return "/proc/self/fd/" + std::to_string(files_.watched(WatchedKey(path, handle)));
  }

  /// `use` with the description at `fd` of process `pid`.
  template <typename Use>
  std::string WithDescription(Pid pid, Fd fd, Use&& use) {
    const int process = Failing(SYS_pidfd_open, numbers_.at(pid), 0, 0);
    if (process < 0) return "pidfd_open";
    const int description = Failing(SYS_pidfd_getfd, process, fd, 0);
    close(process);
    if (description < 0) return "pidfd_getfd of fd " + std::to_string(fd);
    std::string failed = use(description);
    const int error = errno;
    close(description);
    errno = error;
    return failed;
  }
  static int Failing(long call, long a, long b, long c) {
    return FailsOnPurpose() ? -1 : static_cast<int>(syscall(call, a, b, c));
  }

  const HostFiles& files_;
  std::unordered_map<Pid, pid_t> numbers_;  ///< of leaders, as this pid namespace has them
};

}  // namespace

RestoreProblem SetWatches(const Program& program, const Script& script, const HostFiles& files) {
  Watcher watcher(script, files);
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set == nullptr) continue;
    for (const DescriptorState& late : set->attributes->descriptors) {
      const std::string failed = watcher.Set(program[i].pid, late);
      if (!failed.empty()) return {ErrorText(failed), static_cast<std::uint32_t>(i)};
    }
  }
  return {};
}

}  // namespace crgen::restorer
