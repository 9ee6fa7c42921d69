// SPDX-License-Identifier: Apache-2.0
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

void AttachTun(const Caller& caller, int32_t fd, const TunOp& tun) {
  ifreq request = {};
  for (uint32_t i = 0; i + 1 < IFNAMSIZ && tun.name[i] != 0; ++i) request.ifr_name[i] = tun.name[i];
  request.ifr_flags = (short)tun.flags;
  caller.Must("ioctl(TUNSETIFF)", __NR_ioctl, fd, TUNSETIFF, &request);
  caller.Must("ioctl(TUNSETSNDBUF)", __NR_ioctl, fd, TUNSETSNDBUF, &tun.sndbuf);
  if (tun.detached) {
    request.ifr_flags = IFF_DETACH_QUEUE;
    caller.Must("ioctl(TUNSETQUEUE)", __NR_ioctl, fd, TUNSETQUEUE, &request);
  }
  if (tun.ends) caller.Must("ioctl(TUNSETPERSIST)", __NR_ioctl, fd, TUNSETPERSIST, 0);
}

}  // namespace crgen::restorer
