// SPDX-License-Identifier: Apache-2.0
#include "checker/files/fanotify.h"

#include <fcntl.h>
#include <sys/fanotify.h>

#include <string>
#include <unordered_set>

#include "checker/files/watched.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::uint64_t kPermission = FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_OPEN_EXEC_PERM;

std::optional<Refusal> RefusedMark(const Kernel& kernel, const Fanotify& group,
                                   const FanotifyMark& mark) {
  if (mark.type.value != FAN_MARK_INODE && mark.type.value != FAN_MARK_MOUNT &&
      mark.type.value != FAN_MARK_FILESYSTEM) {
    return Refusal{"EINVAL", "there is no type " + ValueText(mark.type)};
  }
  if (mark.mask.bits == 0 && mark.ignored_mask.bits == 0) {
    return Refusal{"EINVAL", "a mark on nothing: neither mask nor ignored_mask"};
  }
  const std::uint64_t all = mark.mask.bits | mark.ignored_mask.bits;
  constexpr std::uint64_t kClasses = FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT;
  if ((all & kPermission) != 0 && (group.init_flags.bits & kClasses) == 0) {
    return Refusal{"EINVAL", "permission events want FAN_CLASS_CONTENT or FAN_CLASS_PRE_CONTENT"};
  }
  constexpr std::uint64_t kWithoutFid = FAN_ACCESS | FAN_MODIFY | FAN_CLOSE | FAN_OPEN |
                                        FAN_OPEN_EXEC | kPermission | std::uint64_t{FAN_ONDIR} |
                                        FAN_EVENT_ON_CHILD;
  constexpr std::uint64_t kFid = FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME;
  if ((group.init_flags.bits & kFid) == 0 && (all & ~kWithoutFid) != 0) {
    return Refusal{"EINVAL", ValueText(FanotifyMask{all & ~kWithoutFid}) +
                                 " wants FAN_REPORT_FID among init_flags"};
  }
  return RefusedInode(kernel, WatchedInode(mark));
}

}  // namespace

std::optional<Refusal> FileRules<Fanotify>::Check(const File& file,
                                                  const Fanotify& fanotify) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  constexpr std::uint64_t kClasses = FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT;
  if ((fanotify.init_flags.bits & kClasses) == kClasses) {
    return Refusal{"EINVAL", "init_flags have two classes"};
  }
  constexpr std::uint64_t kEventFlags =
      O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_CLOEXEC | 0x8000 /* O_LARGEFILE */ | O_NOATIME;
  if ((fanotify.event_flags.bits & ~kEventFlags) != 0 ||
      (fanotify.event_flags.bits & O_ACCMODE) == O_ACCMODE) {
    return Refusal{"EINVAL", "event_flags " + ValueText(fanotify.event_flags)};
  }
  return std::nullopt;
}

std::optional<Refusal> LateRules<FanotifyMarks>::Check(const Kernel& kernel,
                                                       const Description& description,
                                                       const FanotifyMarks& marks) {
  if (auto refused = RefusedForType<Fanotify>(description)) return refused;
  const auto& group = std::get<Fanotify>(description.file->body);
  if (marks.marks.empty()) return Refusal{"EINVAL", "there is nothing to mark"};
  std::unordered_set<std::string> marked;
  for (const FanotifyMark& mark : marks.marks) {
    if (auto refused = RefusedMark(kernel, group, mark)) return refused;
    const std::string key = ValueText(mark.type) + " " + InodeKey(kernel, WatchedInode(mark));
    if (!marked.insert(key).second) {
      return Refusal{"EEXIST", "a mark of type " + ValueText(mark.type) + " stands twice"};
    }
  }
  return std::nullopt;
}

}  // namespace crgen::check
