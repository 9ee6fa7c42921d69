// SPDX-License-Identifier: Apache-2.0
// Namespaces of the tree's own: what the root is to enter before it opens a file or has a child.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/flags.h"
#include "model/image_bytes.h"
#include "model/net_namespace.h"
#include "model/system_v.h"
#include "model/values.h"

namespace crgen {

/// utsns_entry: sethostname(2), setdomainname(2).
struct UtsNamespace {
  std::uint64_t id = 0;
  Text nodename;
  Text domainname;
  friend bool operator==(const UtsNamespace&, const UtsNamespace&) = default;
};

/// pidns_entry: one that the caller of a restore has, by its key.
struct PidNamespace {
  Text external;
  friend bool operator==(const PidNamespace&, const PidNamespace&) = default;
};

/// ipc_var_entry: sysctls of proc(5), each by its name there.
struct IpcSysctls {
  std::uint32_t sem_msl = 0, sem_mns = 0, sem_opm = 0, sem_mni = 0;  ///< kernel.sem
  std::uint32_t msgmax = 0, msgmnb = 0, msgmni = 0;
  bool auto_msgmni = false;
  Hex shmmax;  ///< bytes
  Hex shmall;  ///< pages
  std::uint32_t shmmni = 0;
  bool shm_rmid_forced = false;
  std::uint32_t queues_max = 0, msg_max = 0, msgsize_max = 0;  ///< fs.mqueue
  std::optional<std::uint32_t> msg_default, msgsize_default;
  std::optional<std::uint32_t> msg_next_id, sem_next_id, shm_next_id;
  friend bool operator==(const IpcSysctls&, const IpcSysctls&) = default;
};

struct IpcNamespace {
  std::uint64_t id = 0;
  IpcSysctls sysctls;
  std::vector<ShmSegment> shm;
  std::vector<MsgQueue> msg;
  std::vector<SemSet> sem;
  friend bool operator==(const IpcNamespace&, const IpcNamespace&) = default;
};

/// mnt_entry. One of four kinds:
/// - the root of the root's own namespace, which has no parent: the caller of a restore has it;
/// - `external`: likewise, by its key;
/// - a new file system: the first with its `superblock`;
/// - a bind mount: the file system of an earlier one.
struct Mount {
  std::uint64_t id = 0;
  std::optional<std::uint64_t> parent;  ///< the id of the mount that it is mounted on
  Text mountpoint;                      ///< seen from the root of the namespace
  Text root;                            ///< the directory, or file, of the file system
  std::optional<std::uint64_t> superblock;
  std::string fstype;  ///< where the file system is made
  std::optional<Text> source;
  std::optional<Text> options;  ///< of the file system, with commas between them
  MountFlags flags;
  MountFlags sb_flags;  ///< where the file system is made
  // Groups of mounts with the same events, by numbers of the list's own (model/mount_sharing.h).
  std::optional<std::uint64_t> shared;  ///< the one that it is in
  std::optional<std::uint64_t> master;  ///< the one whose events it gets; in no `shared`: outside
  bool shared_with_caller = false;  ///< of an `external` one: what the caller has is in `shared`
  std::optional<Text> external;
  std::optional<ImageBytes> content;  ///< of a tmpfs: an archive of tar(1), compressed by gzip(1)
  /// The mount namespace that it is in; absent: the one of the tree's root.
  std::optional<std::uint64_t> namespace_id;
  bool deleted = false;  ///< of a bind mount: no name leads to `root` any more
  friend bool operator==(const Mount&, const Mount&) = default;

  bool IsNew() const { return !fstype.empty(); }
  /// The one that the caller of a restore has for the whole tree.
  bool IsFirstRoot() const { return !parent && !namespace_id; }
  bool IsBind() const { return !IsFirstRoot() && !external && !IsNew(); }
};

/// setns(2).
struct EnteredNamespaces {
  // Absent: that of the tree's root.
  std::optional<std::uint64_t> mnt, net;
  friend bool operator==(const EnteredNamespaces&, const EnteredNamespaces&) = default;
};

/// File systems that a mount can make anew.
inline constexpr std::string_view kMountableTypes[] = {"proc",   "sysfs",  "tmpfs",  "devpts",
                                                       "mqueue", "cgroup", "cgroup2"};

// mount(2), MS_*: not by its header, which does not go together with others of the kernel's.
namespace mount_flag {
inline constexpr std::uint64_t kReadOnly = 0x1, kNoSuid = 0x2, kNoDevices = 0x4, kNoExec = 0x8;
inline constexpr std::uint64_t kSynchronous = 0x10, kDirectoriesSynchronous = 0x80;
inline constexpr std::uint64_t kNoSymlinks = 0x100, kNoAccessTime = 0x400;
inline constexpr std::uint64_t kNoDirectoryAccessTime = 0x800, kUnbindable = 0x20000;
inline constexpr std::uint64_t kPrivate = 0x40000, kSlave = 0x80000, kShared = 0x100000;
inline constexpr std::uint64_t kRelativeAccessTime = 0x200000, kStrictAccessTime = 0x1000000;
inline constexpr std::uint64_t kLazyTime = 0x2000000;
}  // namespace mount_flag

/// What a mount can be given, of which MS_NOATIME, MS_RELATIME and MS_STRICTATIME exclude each
/// other; and what a file system can.
inline constexpr std::uint64_t kAccessTimeFlags =
    mount_flag::kNoAccessTime | mount_flag::kRelativeAccessTime | mount_flag::kStrictAccessTime;
inline constexpr std::uint64_t kMountFlags =
    mount_flag::kReadOnly | mount_flag::kNoSuid | mount_flag::kNoDevices | mount_flag::kNoExec |
    mount_flag::kNoSymlinks | mount_flag::kNoDirectoryAccessTime | kAccessTimeFlags |
    mount_flag::kPrivate | mount_flag::kUnbindable;
inline constexpr std::uint64_t kSuperblockFlags = mount_flag::kReadOnly | mount_flag::kSynchronous |
                                                  mount_flag::kDirectoriesSynchronous |
                                                  mount_flag::kLazyTime;

/// Whether `path` is `folder` or lies below it; both are absolute, without "." and "..".
inline bool IsBelow(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

/// Absolute, with neither "." nor "..", nor a slash too many.
inline bool IsCanonical(std::string_view path) {
  if (path == "/") return true;
  if (!path.starts_with('/') || path.find('\0') != path.npos) return false;
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

/// "dev/pts" of "/dev/pts" below "/"; empty: it is the folder itself. REQUIRES: IsBelow().
inline std::string_view PathBelow(std::string_view path, std::string_view folder) {
  path.remove_prefix(folder == "/" ? 0 : folder.size());
  if (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

}  // namespace crgen
