// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>

#include "restorer/executor/files/files.h"

namespace crgen::restorer {

void SetSocketOptions(const Caller& caller, const SocketOptionsOp& options) {
  for (uint32_t i = 0; i < options.count; ++i) {
    const SocketOptionOp& one = options.options[i];
    if (one.level == SOL_SOCKET && (one.name == SO_SNDBUFFORCE || one.name == SO_RCVBUFFORCE)) {
      SetBuffer(caller, options.fd, one.name, *(const int32_t*)one.value);
      continue;
    }
    caller.Must("setsockopt", __NR_setsockopt, options.fd, one.level, one.name, one.value,
                one.size);
  }
}

}  // namespace crgen::restorer
