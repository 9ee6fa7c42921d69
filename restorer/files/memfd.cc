// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/memfd.h"

#include <linux/memfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace crgen::restorer {

std::string FileRestorer<Memfd>::Prepare(const File&, const Memfd& memfd, Services& services) {
  if (services.memfds.contains(memfd.inode_id)) return "";
  const std::string name = memfd.name ? memfd.name->bytes : "";
  const unsigned huge = memfd.huge ? static_cast<unsigned>(memfd.huge->bits) : 0;
  // The system may make memfds that cannot be executed unless that is asked for (Linux 6.3).
  constexpr unsigned kExecutable = 0x10;
  const auto create = [&](unsigned flags) {
    return static_cast<int>(
        syscall(__NR_memfd_create, name.c_str(), MFD_ALLOW_SEALING | huge | flags));
  };
  int fd = create(kExecutable);
  if (fd < 0 && errno == EINVAL) fd = create(0);
  if (fd < 0 || (memfd.size && ftruncate(fd, static_cast<off_t>(*memfd.size)) != 0) ||
      // fchown(2) takes the bits for set-user-id away: before fchmod(2).
      ((memfd.uid || memfd.gid) && fchown(fd, services.ids.Uid(memfd.uid.value_or(0)),
                                          services.ids.Gid(memfd.gid.value_or(0))) != 0) ||
      (memfd.mode && fchmod(fd, *memfd.mode & 07777) != 0)) {
    return "memfd " + std::to_string(memfd.inode_id.value) + ": " + std::strerror(errno);
  }
  services.memfds[memfd.inode_id] = std::to_string(fd);
  return "";
}

}  // namespace crgen::restorer
