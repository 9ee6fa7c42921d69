// SPDX-License-Identifier: Apache-2.0
// Looking up a path while others may change the way. A symbolic link is followed where root alone
// can have put it: it is root's, and so are all directories that lead to it. Whoever owns one of
// them, or a link, could send a restorer that runs as root where he may not go himself.
//
// No standard library here: the executor has none.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/syscall.h>

namespace crgen {

/// Who else than root can change where a path leads: the first on the way.
struct WayOwner {
  bool any = false;
  uint32_t uid = 0, gid = 0;
};

/// `System` makes a call, `system(number, arguments...)`: a negative errno, or what it gives.
template <typename System>
class TrustedPath {
 public:
  /// Links that are not root's: they end the way, or are followed and their owner is noted.
  enum class Foreign { kRefuse, kFollow };

  explicit TrustedPath(const System& system, Foreign foreign = Foreign::kRefuse)
      : system_(system), foreign_(foreign) {}

  /// openat2(2) from the root directory, or where this process is, with O_PATH and `flags`:
  /// O_NOFOLLOW, O_DIRECTORY, O_CLOEXEC. A negative errno, kForeign for a link that is refused; or
  /// a descriptor.
  long Open(const char* path, uint32_t flags) {
    if (foreign_ == Foreign::kRefuse) {  // one call, where there are no links
      const long fd = Step(AT_FDCWD, path, flags);
      if (fd != -ELOOP) return fd;
    }
    if (!SetRest(path, "")) return -ENAMETOOLONG;
    if (const long error = Begin(*path == '/' ? "/" : "."); error < 0) return error;
    const long result = Walk(flags);
    system_(__NR_close, at_);
    return result;
  }

  /// Behind Open() with kFollow.
  const WayOwner& owner() const { return owner_; }

  static constexpr long kForeign = -ENOKEY;  // which no lookup gives

 private:
  static constexpr uint32_t kRest = 8192, kText = 4096, kMostLinks = 40;
  static constexpr uint32_t kOthersMayWrite = S_IWGRP | S_IWOTH;

  long Step(long from, const char* path, uint32_t flags) const {
    open_how how = {};
    how.flags = flags | O_PATH;
    how.resolve = RESOLVE_NO_SYMLINKS;
    long fd;
    do fd = system_(__NR_openat2, from, path, &how, sizeof how);
    while (fd == -EAGAIN);
    return fd;
  }

  /// What is still to go: `text`, then a slash and `more`, which may lie in the same place.
  bool SetRest(const char* text, const char* more) {
    char joined[kRest];
    uint32_t size = 0;
    for (; *text != 0 && size < kRest - 1; ++text) joined[size++] = *text;
    if (*more != 0 && size < kRest - 1) joined[size++] = '/';
    for (; *more != 0 && size < kRest - 1; ++more) joined[size++] = *more;
    joined[size] = 0;
    for (uint32_t i = 0; i <= size; ++i) rest_[i] = joined[i];
    next_ = rest_;
    return size < kRest - 1;
  }

  long Begin(const char* start) {
    if (at_ >= 0) system_(__NR_close, at_);
    at_ = system_(__NR_openat, AT_FDCWD, start, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    return at_ < 0 ? at_ : Note(at_);
  }

  /// Who could change what is found in this directory from here on; in another file is nothing.
  long Note(long directory) {
    struct statx facts = {};
    const long result = Look(directory, &facts);
    if (result < 0) return result;
    if ((facts.stx_mode & S_IFMT) != S_IFDIR) return 0;
    const bool open = (facts.stx_mode & kOthersMayWrite) != 0 && (facts.stx_mode & S_ISVTX) == 0;
    if (facts.stx_uid != 0 || open) Note(facts);
    return 0;
  }
  void Note(const struct statx& facts) {
    if (!owner_.any) owner_ = {true, facts.stx_uid, facts.stx_gid};
  }
  long Look(long fd, struct statx* facts) const {
    return system_(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, facts);
  }

  long Walk(uint32_t flags) {
    for (uint32_t links = 0;;) {
      while (*next_ == '/') ++next_;
      if (*next_ == 0) return Step(at_, ".", flags);
      char part[kText];
      uint32_t size = 0;
      while (*next_ != 0 && *next_ != '/' && size < kText - 1) part[size++] = *next_++;
      part[size] = 0;
      if (size == kText - 1) return -ENAMETOOLONG;
      const bool last = *next_ == 0;
      const long fd = Step(at_, part, last ? flags : O_DIRECTORY | O_CLOEXEC);
      if (fd == -ELOOP) {
        if (++links > kMostLinks) return -ELOOP;
        if (const long error = Follow(part); error < 0) return error;
        continue;
      }
      if (fd < 0) return fd;
      const long error = last && foreign_ == Foreign::kRefuse ? 0 : Note(fd);
      if (last && error >= 0) return fd;
      system_(__NR_close, last ? fd : at_);
      if (!last) at_ = fd;
      if (error < 0) return error;
    }
  }

  /// The link `part` in the directory where it is.
  long Follow(const char* part) {
    const long link = system_(__NR_openat, at_, part, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (link < 0) return link;
    struct statx facts = {};
    char text[kText];
    long size = Look(link, &facts);
    if (size >= 0) size = system_(__NR_readlinkat, link, "", text, kText - 1);
    system_(__NR_close, link);
    if (size < 0) return size;
    text[size] = 0;
    if (facts.stx_uid != 0) Note(facts);
    if (owner_.any && foreign_ == Foreign::kRefuse) return kForeign;
    if (!SetRest(text, next_)) return -ENAMETOOLONG;
    return *text == '/' ? Begin("/") : 0;
  }

  const System& system_;
  const Foreign foreign_;
  WayOwner owner_;
  long at_ = -1;
  char rest_[kRest];
  const char* next_ = rest_;
};

}  // namespace crgen
