// SPDX-License-Identifier: Apache-2.0
#include "restorer/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "restorer/other_ids.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {

namespace {

struct Owner {
  uid_t uid;
  gid_t gid;
};
std::optional<Owner> owner;

/// 0, or -1: errno.
int Write(const std::string& path, const std::string& value) {
  const int fd = FailsOnPurpose() ? -1 : open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const bool written = write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size());
  const int error = errno;
  close(fd);
  errno = error;
  return written ? 0 : -1;
}

}  // namespace

void WriteSysctlsAs(uid_t uid, gid_t gid) { owner = {uid, gid}; }

std::string WriteSysctl(const std::string& name, const std::string& value) {
  const std::string path = "/proc/sys/" + name;
  int result = Write(path, value);
  if (result != 0 && (errno == EACCES || errno == EPERM) && owner) {
    result = WithEffectiveIds(owner->uid, owner->gid, [&] { return Write(path, value); });
  }
  return result == 0 ? "" : ErrorText(path + " = " + value);
}

}  // namespace crgen::restorer
