// SPDX-License-Identifier: Apache-2.0
// File locks and leases for real.
#pragma once

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <string>
#include <vector>

#include "model/files/lock.h"
#include "model/ids.h"

namespace crgen::test {

inline int LockForReal(Fd fd, const FileLock& lock) {
  struct flock range = {};
  range.l_type = static_cast<short>(lock.type.value);
  range.l_start = static_cast<off_t>(lock.start);
  range.l_len = static_cast<off_t>(lock.length);
  int result = -1;
  switch (lock.kind.value) {
    case kPosixLock:
      result = fcntl(fd, F_SETLK, &range);
      break;
    case kOfdLock:
      result = fcntl(fd, F_OFD_SETLK, &range);
      break;
    case kFlock:
      result = flock(fd, (lock.type.value == F_RDLCK ? LOCK_SH : LOCK_EX) | LOCK_NB);
      break;
    default:
      result = fcntl(fd, F_SETLEASE, static_cast<int>(lock.type.value));
  }
  return result < 0 ? errno : 0;
}

/// One after another; the first errno.
inline int LockForReal(Fd fd, const std::vector<FileLock>& locks) {
  for (const FileLock& lock : locks) {
    if (const int error = LockForReal(fd, lock); error != 0) return error;
  }
  return 0;
}

/// "POSIX WRITE 0 EOF", as /proc writes it.
inline std::string LockText(const FileLock& lock) {
  const char* kind = lock.kind.value == kPosixLock ? "POSIX"
                     : lock.kind.value == kOfdLock ? "OFDLCK"
                     : lock.kind.value == kFlock   ? "FLOCK"
                                                   : "LEASE";
  const std::uint64_t last =
      lock.length == 0 ? ~std::uint64_t{0} >> 1 : lock.start + lock.length - 1;
  return std::string(kind) + (lock.type.value == F_WRLCK ? " WRITE " : " READ ") +
         std::to_string(lock.start) + " " +
         (last == ~std::uint64_t{0} >> 1 ? "EOF" : std::to_string(last));
}

}  // namespace crgen::test
