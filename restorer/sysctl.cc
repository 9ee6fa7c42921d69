// SPDX-License-Identifier: Apache-2.0
#include "restorer/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {

std::string WriteSysctl(const std::string& name, const std::string& value) {
  const std::string path = "/proc/sys/" + name;
  const int fd = FailsOnPurpose() ? -1 : open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return ErrorText(path);
  const bool written = write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size());
  std::string problem = written ? "" : ErrorText(path + " = " + value);
  close(fd);
  return problem;
}

}  // namespace crgen::restorer
