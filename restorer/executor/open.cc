// SPDX-License-Identifier: Apache-2.0
// Files that the plan names by their path. Between what is looked at and what is opened, no name is
// looked up again.
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>

#include "preflight/trusted_path.h"
#include "restorer/executor/system.h"

namespace crgen::restorer {
namespace {

constexpr uint32_t kPathOnly = O_PATH | O_NOFOLLOW | O_DIRECTORY;

struct Opener {
  const Caller& caller;
  const char* path;

  struct statx Look(long directory, const char* name, int flags) const {
    struct statx facts = {};
    const long result = caller.Try(__NR_statx, directory, name, flags, STATX_BASIC_STATS, &facts);
    if (result < 0) caller.Fail("statx", result, path);
    return facts;
  }

  static bool Same(const struct statx& a, const struct statx& b) {
    return a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major &&
           a.stx_dev_minor == b.stx_dev_minor;
  }

  void Check(const struct statx& facts, uint32_t flags, const FileCheck& check) const {
    const uint32_t type = facts.stx_mode & S_IFMT;
    const bool only_path = type == S_IFLNK || type == S_IFSOCK;
    if ((type == S_IFIFO) != check.fifo || (only_path && (flags & O_PATH) == 0)) {
      caller.Fail("open (of another type than the plan says)", -EINVAL, path);
    }
    if (check.held != nullptr && !Same(facts, Look(caller.setup->service_fd, check.held, 0))) {
      caller.Fail("open (replaced since it was looked at)", -ESTALE, path);
    }
    if ((check.mode != 0 && check.mode != facts.stx_mode) ||
        (check.size >= 0 && (uint64_t)check.size != facts.stx_size)) {
      caller.Fail("open (changed: size or mode is not the plan's)", -ESTALE, path);
    }
  }

  /// What `path` leads to below `directory`.
  long OpenBelow(int directory, uint32_t flags, bool no_links) const {
    if (!no_links) return caller.Try(__NR_openat, directory, path, flags, 0);
    open_how how = {};
    how.flags = flags;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    return caller.Try(__NR_openat2, directory, path, &how, sizeof how);
  }

  /// Through /proc/self/fd: what `look` has.
  long Reopen(long look, uint32_t flags) const {
    char name[kSelfFdSize];
    SelfFd(look, name);
    return caller.Try(__NR_openat, caller.setup->service_fd, name, flags, 0);
  }

  /// O_NOFOLLOW stays a flag of the description, and no link of proc(5) is opened with it: by name,
  /// and then compared.
  long OpenNoFollow(int directory, uint32_t flags, bool no_links,
                    const struct statx& expected) const {
    const long fd = OpenBelow(directory, flags | O_NONBLOCK, no_links);
    if (fd < 0) return fd;
    if (!Same(expected, Look(fd, "", AT_EMPTY_PATH))) {
      caller.Fail("open (replaced since it was looked at)", -ESTALE, path);
    }
    if ((flags & O_NONBLOCK) == 0) {
      caller.Must("fcntl(F_SETFL)", __NR_fcntl, fd, F_SETFL, flags & ~O_CLOEXEC);
    }
    return fd;
  }
};

}  // namespace

void SelfFd(long fd, char (&name)[kSelfFdSize]) {
  constexpr char kFolder[] = "../../self/fd/";
  uint32_t end = 0;
  for (; kFolder[end] != 0; ++end) name[end] = kFolder[end];
  long power = 1;
  while (fd / power >= 10) power *= 10;
  for (; power > 0; power /= 10) name[end++] = (char)('0' + fd / power % 10);
  name[end] = 0;
}

long OpenTrusted(const Caller& caller, const char* path, uint32_t flags) {
  const PathCalls calls{caller};
  TrustedPath<PathCalls> way(calls);
  const long fd = way.Open(path, flags);
  if (fd == way.kForeign) {
    caller.Fail("open (through a link that is not root's, or that others can change)", -ELOOP,
                path);
  }
  if (fd < 0) caller.Fail("open", fd, path);
  return fd;
}

long OpenChecked(const Caller& caller, int directory, const char* path, uint32_t flags,
                 const FileCheck& check) {
  const Opener opener{caller, path};
  const bool only_path = (flags & O_PATH) != 0;
  const uint32_t look_flags =
      (flags & kPathOnly) | O_PATH | (only_path ? flags & O_CLOEXEC : O_CLOEXEC);
  const long look = directory == AT_FDCWD ? OpenTrusted(caller, path, look_flags)
                                          : opener.OpenBelow(directory, look_flags, check.no_links);
  if (look < 0) caller.Fail("open", look, path);
  const struct statx facts = opener.Look(look, "", AT_EMPTY_PATH);
  opener.Check(facts, flags, check);
  if (only_path) return look;
  const long fd = (flags & O_NOFOLLOW) != 0
                      ? opener.OpenNoFollow(directory, flags, check.no_links, facts)
                      : opener.Reopen(look, flags);
  if (fd < 0) caller.Fail("open", fd, path);
  caller.Must("close", __NR_close, look);
  return fd;
}

}  // namespace crgen::restorer
