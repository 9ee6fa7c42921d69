// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/inotify.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include "restorer/problem.h"

namespace crgen::restorer {

std::string FileRestorer<Inotify>::Prepare(const File& file, const Inotify&, Services& services) {
  const int fd = inotify_init1(IN_CLOEXEC);
  if (fd < 0) return ErrorText("inotify_init1 for file " + std::to_string(file.id.value));
  services.made[file.id] = fd;
  return "";
}

}  // namespace crgen::restorer
