// SPDX-License-Identifier: Apache-2.0
#include "restorer/momentary_name.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <cstdio>

#include "model/printable.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {

ScopedFd::~ScopedFd() {
  const int error = errno;
  if (fd_ >= 0) close(fd_);
  errno = error;
}

Place::Place(const TreePaths& paths, const std::string& path)
    : name(path.substr(path.rfind('/') + 1)),
      folder(paths.Open(path.substr(0, path.rfind('/') + 1), O_DIRECTORY)) {}

bool SameInode(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

MomentaryName::~MomentaryName() {
  const int error = errno;
  Remove();
  errno = error;
}

bool MomentaryName::Remove() {
  if (removed_) return true;
  const char* name = place_.name.c_str();
  const int folder = place_.folder.get();
  struct stat now;
  const bool there = fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && SameInode(now, file_);
  const int flags = S_ISDIR(file_.st_mode) ? AT_REMOVEDIR : 0;
  removed_ = !there || (!FailsOnPurpose() && unlinkat(folder, name, flags) == 0);
  return removed_;
}

std::string OtherName(const std::string& wanted, int number) {
  const std::string end = ".crrestore-" + std::to_string(number);
  return wanted.substr(0, NAME_MAX - end.size()) + end;
}

void WarnOfOtherName(const std::string& path, const std::string& name) {
  std::fprintf(stderr,
               "crrestore: warning: %s is another file now: the unlinked one comes back as %s "
               "(deleted)\n",
               Printable(path).c_str(), Printable(name).c_str());
}

}  // namespace crgen::restorer
