// SPDX-License-Identifier: Apache-2.0
// The file that gets the root's pid: whole or not at all.
#pragma once

#include <sys/types.h>

#include <string>

namespace crgen::restorer {

class Pidfile {
 public:
  Pidfile() = default;
  Pidfile(const Pidfile&) = delete;
  Pidfile& operator=(const Pidfile&) = delete;
  ~Pidfile();

  /// Before anything runs: whether `path` can be written, beside which a file is made that is going
  /// to replace it. Only a regular file is replaced, and no link followed. Empty, or what failed.
  std::string Open(const std::string& path);
  /// It is there, with `pid`. Empty, or what failed.
  std::string Write(pid_t pid);
  /// It is not there any more, and what was made beside it neither. Of the two processes that have
  /// it, whichever is left: a name goes only if it is still that of this file.
  void Remove();

 private:
  std::string path_, temporary_;
  int fd_ = -1;
};

}  // namespace crgen::restorer
