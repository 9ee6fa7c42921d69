// SPDX-License-Identifier: Apache-2.0
// Names that are there for a moment: whatever happens, they go.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "restorer/tree_paths.h"

namespace crgen::restorer {

/// Closes it, and leaves errno as it is.
class ScopedFd {
 public:
  explicit ScopedFd(int fd = -1) : fd_(fd) {}
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  ScopedFd(ScopedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~ScopedFd();
  int get() const { return fd_; }
  void Reset(int fd) { const ScopedFd before(std::exchange(fd_, fd)); }

 private:
  int fd_;
};

/// The folder of a path, and the name in it. `folder` is below 0, and errno says why, if it is not
/// there.
struct Place {
  Place(const TreePaths& paths, const std::string& path);
  /// Takes over `in`.
  Place(std::string base, int in) : name(std::move(base)), folder(in) {}
  std::string name;
  ScopedFd folder;
};

bool SameInode(const struct stat& a, const struct stat& b);

/// Calls `make(name)`, which makes something and fails with EEXIST where something has that name,
/// with `place->name` and then with others that nobody has; `*place` gets the one that is taken,
/// and a warning says so of `path`. Gives what `make` gave last.
int MakeUnderFreeName(const std::string& path, Place* place, auto&& make);

/// A name for the moment: whatever happens, it is removed, if it is still that file's. Whoever may
/// write in its folder can rename it meanwhile: then the file still has one.
class MomentaryName {
 public:
  /// `place` must outlive this; `file`: what was made there.
  MomentaryName(const Place& place, const struct stat& file) : place_(place), file_(file) {}
  MomentaryName(const MomentaryName&) = delete;
  MomentaryName& operator=(const MomentaryName&) = delete;
  ~MomentaryName();
  /// False: it is still there; errno.
  bool Remove();

 private:
  const Place& place_;
  const struct stat file_;
  bool removed_ = false;
};

/// The next name to try for `wanted`, as long as a name may be.
std::string OtherName(const std::string& wanted, int number);
void WarnOfOtherName(const std::string& path, const std::string& name);

int MakeUnderFreeName(const std::string& path, Place* place, auto&& make) {
  constexpr int kMostNames = 1000;
  const std::string wanted = place->name;
  for (int number = 0;; ++number) {
    if (number != 0) place->name = OtherName(wanted, number);
    const int made = make(place->name.c_str());
    if (made >= 0 && number != 0) WarnOfOtherName(path, place->name);
    if (made >= 0 || errno != EEXIST || number == kMostNames) return made;
  }
}

}  // namespace crgen::restorer
