// SPDX-License-Identifier: Apache-2.0
// The root's way into a mount namespace of its own, and those of others, which it makes on its way.
// Each mount is found by a descriptor of the one that it is on, never by a path through others.
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>

#include "restorer/executor/system.h"

namespace crgen::restorer {
namespace {

constexpr int kDetach = 2;  // MNT_DETACH of <sys/mount.h>, which has <linux/mount.h>'s names too
constexpr uint64_t kAllAttributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                    MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME |
                                    MOUNT_ATTR_NOSYMFOLLOW;

struct Mounter {
  const Caller& caller;
  const MountsOp& mounts;
  /// Behind all numbers that others have: that of step n is n above.
  int first;
  int32_t space = -1;  ///< the namespace that this process is in

  int NumberOf(int32_t step) const { return first + step; }

  template <typename... Arguments>
  long Must(const MountStep& step, const char* what, long number, Arguments... arguments) const {
    const long result = caller.Try(number, arguments...);
    if (result < 0) caller.Fail(what, result, step.mountpoint);
    return result;
  }

  /// The file or directory below the root of step `at`, on the same mount.
  long Find(const MountStep& step, int32_t at, const char* below) const {
    open_how how = {};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_BENEATH;
    return Must(step, "openat2 of the mountpoint", __NR_openat2, NumberOf(at), below, &how,
                sizeof how);
  }

  long Make(const MountStep& step) const {
    const long context = Must(step, "fsopen", __NR_fsopen, step.fstype, FSOPEN_CLOEXEC);
    for (uint32_t i = 0; i < step.setting_count; ++i) {
      const FileSystemSetting& setting = step.settings[i];
      const int command = setting.value == nullptr ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
      Must(step, "fsconfig", __NR_fsconfig, context, command, setting.key, setting.value, 0);
    }
    Must(step, "fsconfig", __NR_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
    const long made = Must(step, "fsmount", __NR_fsmount, context, FSMOUNT_CLOEXEC, 0);
    Must(step, "close", __NR_close, context);
    return made;
  }

  long Bind(const MountStep& step) const {
    const bool whole = step.below_base[0] == 0;
    const long from = whole ? NumberOf(step.base) : Find(step, step.base, step.below_base);
    const long bound = Must(step, "open_tree", __NR_open_tree, from, "",
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (!whole) Must(step, "close", __NR_close, from);
    return bound;
  }

  void Attach(const MountStep& step, long mount) const {
    const bool over = step.below_parent[0] == 0;
    const long to = over ? NumberOf(step.parent) : Find(step, step.parent, step.below_parent);
    Must(step, "move_mount", __NR_move_mount, mount, "", to, "",
         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    if (!over) Must(step, "close", __NR_close, to);
  }

  /// In a copy of what this process sees: what is in it goes with its root.
  void Begin(const MountStep& step) {
    Must(step, "unshare(CLONE_NEWNS)", __NR_unshare, CLONE_NEWNS);
    space = step.space;
    if (space == 0) {
      Must(step, "mount(MS_PRIVATE)", __NR_mount, 0, "/", 0, MS_REC | MS_PRIVATE, 0);
    }
    if (caller.setup->mount_namespaces > 1) {
      PutAt(step, MountNamespaceFd(caller.setup, space),
            Must(step, "open of the namespace", __NR_openat, caller.setup->service_fd,
                 "../../self/ns/mnt", O_RDONLY | O_CLOEXEC, 0));
    }
  }

  void Enter(const MountStep& step) {
    if (space == step.space) return;
    Must(step, "setns(CLONE_NEWNS)", __NR_setns, MountNamespaceFd(caller.setup, step.space),
         CLONE_NEWNS);
    space = step.space;
  }

  /// The old root goes, and with it all that was seen before.
  void BecomeRoot(const MountStep& step, long mount) const {
    Must(step, "move_mount of the root", __NR_move_mount, mount, "", AT_FDCWD, "/",
         MOVE_MOUNT_F_EMPTY_PATH);
    Must(step, "fchdir", __NR_fchdir, mount);
    Must(step, "pivot_root", __NR_pivot_root, ".", ".");
    Must(step, "umount2 of the old root", __NR_umount2, ".", kDetach);
    Must(step, "chdir", __NR_chdir, "/");
    PutAt(step, RootFd(caller.setup, step.space),
          Must(step, "open", __NR_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
  }

  void PutAt(const MountStep& step, int32_t number, long made) const {
    if (made == number) return;
    Must(step, "dup3", __NR_dup3, made, number, O_CLOEXEC);
    Must(step, "close", __NR_close, made);
  }
  void Put(const MountStep& step, int32_t index, long made) const {
    PutAt(step, NumberOf(index), made);
  }

  void MakeBefore(int32_t index) const {
    const MountStep& step = mounts.steps[index];
    if (step.made_before) Put(step, index, Make(step));
  }

  void Run(int32_t index) {
    const MountStep& step = mounts.steps[index];
    const long mount = NumberOf(index);
    step.parent<0 && step.space> 0 ? Begin(step) : Enter(step);
    if (!step.made_before && step.base < 0) {
      Put(step, index,
          step.held >= 0
              ? Must(step, "pidfd_getfd", __NR_pidfd_getfd, caller.setup->source_fd, step.held, 0)
              : Make(step));
    }
    // Before anything is mounted on it: nobody else is to see that.
    mount_attr attributes = {};
    attributes.attr_set = step.set;
    attributes.attr_clr = kAllAttributes;
    attributes.propagation = step.propagation;
    Must(step, "mount_setattr", __NR_mount_setattr, mount, "", AT_EMPTY_PATH, &attributes,
         sizeof attributes);
    step.parent < 0 ? BecomeRoot(step, mount) : Attach(step, mount);
    // Now, while nothing is mounted on it that would hide what they are of. (A mount that is
    // nowhere has none before Linux 6.15.)
    for (int32_t bind = step.first_bind; bind >= 0; bind = mounts.steps[bind].next_bind) {
      Put(mounts.steps[bind], bind, Bind(mounts.steps[bind]));
    }
    KeepFolders(index);
  }

  /// While nothing hides them.
  void KeepFolders(int32_t index) const {
    for (uint32_t i = 0; i < mounts.folder_count; ++i) {
      const HiddenFolder& folder = mounts.folders[i];
      if (folder.step != index) continue;
      const MountStep& step = mounts.steps[index];
      PutAt(step, HiddenFolderFd(caller.setup, (int32_t)i), Find(step, index, folder.below));
    }
  }

  void Join(const MountStep& step, long from) const {
    const long mount = NumberOf((int32_t)(&step - mounts.steps));
    Must(step, "move_mount(MOVE_MOUNT_SET_GROUP)", __NR_move_mount, from, "", mount, "",
         MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  }

  void Share(const GroupStep& group) {
    const MountStep& step = mounts.steps[group.to];
    const int mount = NumberOf(group.to);
    if (group.from >= 0) Join(step, NumberOf(group.from));
    if (group.held >= 0) {
      const long from =
          Must(step, "pidfd_getfd", __NR_pidfd_getfd, caller.setup->source_fd, group.held, 0);
      Join(step, from);
      Must(step, "close", __NR_close, from);
    }
    if (group.propagation == 0) return;
    Enter(step);
    mount_attr attributes = {};
    attributes.propagation = group.propagation;
    Must(step, "mount_setattr", __NR_mount_setattr, mount, "", AT_EMPTY_PATH, &attributes,
         sizeof attributes);
  }
};

}  // namespace

void MakeMounts(const Caller& caller, const MountsOp& mounts) {
  Mounter mounter{caller, mounts, FirstFreeFd(caller.setup)};
  const MountStep& root = mounts.steps[0];
  mounter.Begin(root);
  for (uint32_t i = 0; i < mounts.count; ++i) mounter.MakeBefore((int32_t)i);
  for (uint32_t i = 0; i < mounts.count; ++i) mounter.Run((int32_t)i);
  for (uint32_t i = 0; i < mounts.group_count; ++i) mounter.Share(mounts.groups[i]);
  mounter.Enter(root);
  caller.Must("close_range", __NR_close_range, mounter.first, mounter.first + (int)mounts.count - 1,
              0);
}

}  // namespace crgen::restorer
