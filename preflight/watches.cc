// SPDX-License-Identifier: Apache-2.0
// What inotify(7) and fanotify(7) watch.
#include <sys/fanotify.h>

#include <string>

#include "model/one_of.h"
#include "preflight/question.h"
#include "preflight/watched_inodes.h"

namespace crgen::preflight {
namespace {

const std::string kFound = "found: ";

class WatchQuestion : public QuestionOn<WatchQuestion> {
 public:
  explicit WatchQuestion(Context& context)
      : QuestionOn(context), root_(context.mounts, context.files), inodes_(root_) {}

  template <typename Body>
  void On(const Body&) {}
  void On(const SetAttr& set) {
    for (const DescriptorState& late : set.attributes->descriptors) {
      std::visit([&](const auto& state) { Set(state); }, late.state);
    }
  }

 private:
  template <OneOf<QueueSetting, TtyInput, ShutdownSetting, SocketOptionsSetting, EpollTargets,
                  LockSetting, TtyForeground, TtyLock, LeaseSetting, OwnerSetting, TimerfdSetting,
                  RepairSetting>
                Late>
  void Set(const Late&) {}
  void Set(const InotifyWatches& watches) {
    for (const InotifyWatch& watch : watches.watches) {
      if (watch.unlinked || watch.mount) continue;
      Hold("watch " + std::to_string(watch.wd), watch.path, watch.handle);
    }
  }
  void Set(const FanotifyMarks& marks) {
    for (const FanotifyMark& mark : marks.marks) {
      if (mark.unlinked || mark.mount) continue;
      // A mount of the plan's own is another one than that of which it is a copy.
      if (!root_.IsOwn() && mark.type.value == FAN_MARK_MOUNT) continue;
      Hold("a mark", mark.path, mark.handle);
    }
  }

  void Hold(const std::string& name, const std::optional<Text>& path,
            const std::optional<InodeHandle>& handle) {
    if (path && root_.IsMadeLater(path->bytes)) return;
    const std::string key = WatchedKey(path, handle);
    if (context_.files.watched(key) >= 0) return;
    const auto there = host_.Text(FactKind::kWatches, WatchName(path, handle), [&] {
      const WatchedInodes::Found found = inodes_.Find(path, handle);
      if (found.fd >= 0) context_.files.HoldWatched(key, found.fd);
      return (found.fd >= 0 ? kFound : "") + found.problem;
    });
    if (!there) return;
    if (!there->starts_with(kFound)) return findings_.Wrong(name + " is on " + *there);
    const std::string problem = there->substr(kFound.size());
    if (!problem.empty()) findings_.Warn(name + " is on " + problem);
  }

  static std::string WatchName(const std::optional<Text>& path,
                               const std::optional<InodeHandle>& handle) {
    std::string name = path ? path->bytes : "";
    if (!handle) return name;
    return name + (path ? ", " : "") + "inode " + std::to_string(handle->inode) + " of device " +
           std::to_string(handle->device) + ", handle " + std::to_string(handle->type) + " " +
           Hexadecimal(handle->bytes.bytes);
  }

  const RootView root_;
  WatchedInodes inodes_;
};

}  // namespace

std::unique_ptr<Question> AskForWatches(Context& context) {
  return std::make_unique<WatchQuestion>(context);
}

}  // namespace crgen::preflight
