// SPDX-License-Identifier: Apache-2.0
#include "restorer/input_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "model/file_kind.h"
#include "preflight/doing.h"
#include "preflight/host_files.h"

namespace crgen::restorer {
namespace {

/// Documentation/admin-guide/devices.txt of the kernel: consoles and serial lines, /dev/tty, slaves
/// of ptys.
bool IsTerminal(dev_t device) {
  const unsigned number = major(device);
  return number == 4 || number == 5 || (number >= 136 && number <= 143);
}

bool IsNameless(int pipe) {
  struct statfs system = {};
  return fstatfs(pipe, &system) == 0 && system.f_type == PIPEFS_MAGIC;
}

}  // namespace

InputFile::~InputFile() {
  if (owned_) close(fd_);
}

std::string InputFile::Open(Fifo fifo) {
  const Doing doing("opening it", name_);
  const int held = OpenPath(AT_FDCWD, name_, 0, 0);
  if (held < 0) return std::strerror(errno);
  struct stat status = {};
  std::string wrong;
  if (fstat(held, &status) != 0) {
    wrong = std::strerror(errno);
  } else if (S_ISDIR(status.st_mode)) {
    is_folder_ = true;
    wrong = "is a folder";
  } else if (S_ISFIFO(status.st_mode) && fifo == Fifo::kRefuse && !IsNameless(held)) {
    wrong = "is a FIFO, expected a regular file";
  } else if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) &&
             !(S_ISCHR(status.st_mode) && IsTerminal(status.st_rdev))) {
    wrong = "is " + std::string(FileKindName(status.st_mode)) + ", expected a file or a pipe";
  } else {
    fd_ = Reopen(held, O_RDONLY);
    owned_ = fd_ >= 0;
    if (fd_ < 0) wrong = std::strerror(errno);
  }
  close(held);
  return wrong;
}

std::size_t InputFile::Read(std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size() && error_ == 0) {
    const Doing doing("reading it", name_);
    const ssize_t got = read(fd_, out.data() + done, out.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error_ = errno;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace crgen::restorer
