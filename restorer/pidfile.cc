// SPDX-License-Identifier: Apache-2.0
#include "restorer/pidfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "restorer/problem.h"

namespace crgen::restorer {

Pidfile::~Pidfile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

std::string Pidfile::Open(const std::string& path) {
  if (path.empty()) return "";
  struct stat there;
  if (lstat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return "--pidfile " + path + " is there and no regular file: name another one, or remove it";
  }
  path_ = path;
  temporary_ = path + ".XXXXXX";
  fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ >= 0 && fchmod(fd_, 0644) == 0) return "";
  std::string problem = ErrorText("--pidfile " + path);
  if (fd_ < 0) temporary_.clear();
  return problem;
}

std::string Pidfile::Write(pid_t pid) {
  if (path_.empty()) return "";
  const std::string text = std::to_string(pid) + "\n";
  const ssize_t size = static_cast<ssize_t>(text.size());
  if (write(fd_, text.data(), text.size()) != size || fsync(fd_) != 0 ||
      std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return ErrorText("--pidfile " + path_);
  }
  temporary_.clear();
  return "";
}

void Pidfile::Remove() {
  struct stat own, there;
  if (fd_ < 0 || fstat(fd_, &own) != 0) return;
  for (const std::string& name : {temporary_, path_}) {
    if (lstat(name.c_str(), &there) == 0 && there.st_dev == own.st_dev &&
        there.st_ino == own.st_ino) {
      unlink(name.c_str());
    }
  }
}

}  // namespace crgen::restorer
