// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/fanotify.h"

#include <fcntl.h>
#include <sys/fanotify.h>

#include "restorer/problem.h"

namespace crgen::restorer {

std::string FileRestorer<Fanotify>::Prepare(const File& file, const Fanotify& fanotify,
                                            Services& services) {
  const int fd = fanotify_init(static_cast<unsigned>(fanotify.init_flags.bits),
                               static_cast<unsigned>(fanotify.event_flags.bits));
  if (fd < 0) return ErrorText("fanotify_init for file " + std::to_string(file.id.value));
  // FAN_NONBLOCK is how it began; it may have another flag by now.
  fcntl(fd, F_SETFL, static_cast<int>(file.flags.bits));
  services.made[file.id] = fd;
  return "";
}

}  // namespace crgen::restorer
