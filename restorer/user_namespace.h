// SPDX-License-Identifier: Apache-2.0
// A user namespace of the plan's own, and what has to be done by somebody who is in it.
#pragma once

#include <linux/sched.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "dsl/commands.h"
#include "preflight/host_files.h"
#include "restorer/restore.h"

namespace crgen::restorer {

/// The maps of the root's FORK; nothing: the tree is in the caller's user namespace.
std::optional<UserNamespace> OwnUserNamespace(const Program& program);

/// Who all are in there until they get their credentials: root, or the first who is.
struct FirstIds {
  explicit FirstIds(const UserNamespace& user);
  std::uint32_t uid, gid;
};

/// What a process there has before its credentials are set; `own`: those of this process.
Creds CredsInside(const UserNamespace& user, const Creds& own);

/// A process in that user namespace, from before anything is made for the tree until the hand-over.
/// It is the first in the namespaces of the tree that the supervisor fills, which belong to that
/// user namespace, has the supervisor's descriptors, and lets the tree have them, which has no
/// rights to the supervisor. Who reaches it has rights in that namespace or above it.
class UserHolder {
 public:
  /// Makes the namespaces of `program`, with their maps. Empty, or what failed.
  std::string Start(const Program& program, const RestoreOptions& options, const HostFiles& files);
  /// Nobody needs it any more. Empty, or what failed.
  std::string End();

  bool is_there() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  /// Of /proc/PID/ns, e.g. "user"; -1: errno.
  int OpenNamespace(const std::string& kind) const;
  /// The inode of the user namespace.
  std::uint64_t inode() const { return inode_; }
  /// fsopen(2) of a mount that is new, by its id: who fills that in has made it in there.
  int TakeContext(std::uint64_t mount);

  /// This process, which has one thread, enters the user namespace: no change of its ids. False:
  /// errno.
  bool Enter() const;
  /// Likewise, and becomes the first user there.
  bool BecomeFirst() const;
  /// A new network namespace that belongs to the user namespace: a descriptor; -1: errno.
  int MakeNetwork() const;
  /// clone3(2) by a process in there, of a child of this one: its number, 0 in the child, or -1 and
  /// errno. REQUIRES: `arguments` has CLONE_NEWPID.
  long CloneInside(const clone_args& arguments) const;
  /// A copy of what is mounted at `place`, without what is mounted below, with these attributes of
  /// mount_setattr(2), which nobody inside may take away (mount_namespaces(7), locked). -1: errno,
  /// and `*call` says of what.
  int CopyMount(int place, std::uint64_t attributes, const char** call) const;

 private:
  struct Shared;
  template <typename Make>
  int InChild(const char** call, const Make& make) const;
  std::string Await();
  std::string WriteMap(const char* file, const IdMap& map) const;

  pid_t pid_ = -1;
  int user_ = -1;
  std::optional<FirstIds> first_;
  std::uint64_t inode_ = 0;
  Shared* shared_ = nullptr;
  std::map<std::uint64_t, int> contexts_;
};

}  // namespace crgen::restorer
