// SPDX-License-Identifier: Apache-2.0
// Of the script: the mount namespace.
#pragma once

#include <stdint.h>

namespace crgen::restorer {

/// fsconfig(2): a key and its value, or a flag.
struct FileSystemSetting {
  const char* key;
  const char* value;  ///< null: a flag
};

/// One mount. Steps are named by their index.
struct MountStep {
  int32_t space;             ///< number of the mount namespace that it is in; 0: of the root's
  int32_t parent;            ///< -1: it becomes the root of the namespace
  const char* below_parent;  ///< where, from the parent's root; empty: over it
  // One of three sources.
  int32_t held;            ///< the supervisor's descriptor of a mount that is nowhere; -1: none
  int32_t base;            ///< it is a bind mount of that one; -1: of none
  const char* below_base;  ///< from the base's root; empty: all of it
  int32_t first_bind;      ///< of the bind mounts of it; -1: there are none
  int32_t next_bind;       ///< of those of the same base
  const char* fstype;      ///< what only a process inside can make: proc; null: nothing
  const FileSystemSetting* settings;
  uint32_t setting_count;
  /// `fstype`, before the old root goes: who has no rights outside may make a proc(5) only where
  /// one is in sight (mount_too_revealing() of the kernel).
  bool made_before;
  uint64_t set, propagation;  ///< mount_setattr(2); what is not set is cleared
  const char* mountpoint;     ///< for messages
};

/// A folder that mounts which come later hide: who needs it gets a descriptor (HiddenFolderFd()).
struct HiddenFolder {
  int32_t step;
  const char* below;  ///< from the root of that mount
};

/// What is done to mounts when all are there.
struct GroupStep {
  int32_t from;  ///< whose groups it joins; -1: none
  int32_t held;  ///< instead, the supervisor's descriptor of one that is nowhere; -1: none
  int32_t to;
  uint64_t propagation;  ///< mount_setattr(2); 0: none
};

/// setns(2) into one that the root has made.
struct EnterMountsOp {
  int32_t space;
};

struct EnterNetOp {
  const char* name;  ///< in the service directory
};

struct MountsOp {
  const MountStep* steps;
  uint32_t count;
  const GroupStep* groups;
  uint32_t group_count;
  const HiddenFolder* folders;
  uint32_t folder_count;
};

}  // namespace crgen::restorer
