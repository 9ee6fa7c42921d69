// SPDX-License-Identifier: Apache-2.0
#include "restorer/watches.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
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
    for (std::size_t i = 0; i < marks.marks.size(); ++i) {
      const FanotifyMark& mark = marks.marks[i];
      if (!Add(group, mark, mark.mask.bits, false) ||
          !Add(group, mark, mark.ignored_mask.bits, true)) {
        return "fanotify_mark of mark " + std::to_string(i);
      }
    }
    return "";
  }

 private:
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
    constexpr std::uint64_t kOfIgnored = FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_IGNORE;
    if (mask == 0) return true;
    std::uint64_t flags = FAN_MARK_ADD | mark.type.value | (mark.flags.bits & ~kOfIgnored);
    if (ignored) {
      flags |= mark.flags.bits & kOfIgnored;
      if ((flags & 0x400) == 0) flags |= FAN_MARK_IGNORED_MASK;
    }
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
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }
    int fd = -1;
    bool own = false;
  };

  const WatchedFiles& files_;
};

}  // namespace

RestoreProblem SetWatches(const Program& program, const LateFiles& late_files,
                          const std::map<FileId, int>& groups, const WatchedFiles& files) {
  if (groups.empty()) return {};
  const Watcher watcher(files);
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* set = std::get_if<SetAttr>(&program[i].body);
    if (set == nullptr) continue;
    const std::vector<DescriptorState>& entries = set->attributes->descriptors;
    for (std::size_t k = 0; k < entries.size(); ++k) {
      const std::string failed = std::visit(
          [&](const auto& late) -> std::string {
            if constexpr (requires { watcher.Set(0, late); }) {
              return watcher.Set(groups.at(late_files.at(i)[k]->id), late);
            }
            return "";
          },
          entries[k].state);
      if (!failed.empty()) return {ErrorText(failed), static_cast<std::uint32_t>(i)};
    }
  }
  return {};
}

}  // namespace crgen::restorer
