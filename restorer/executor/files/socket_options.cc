// SPDX-License-Identifier: Apache-2.0
#include "restorer/executor/files/files.h"

namespace crgen::restorer {

void SetSocketOptions(const Caller& caller, const SocketOptionsOp& options) {
  for (uint32_t i = 0; i < options.count; ++i) {
    const SocketOptionOp& one = options.options[i];
    caller.Must("setsockopt", __NR_setsockopt, options.fd, one.level, one.name, one.value,
                one.size);
  }
}

}  // namespace crgen::restorer
