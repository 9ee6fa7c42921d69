// SPDX-License-Identifier: Apache-2.0
// connect(2) to a unix socket of somebody else, with the rights of who is to have the connection.
#pragma once

#include <string>

#include "dsl/commands.h"

namespace crgen::restorer {

struct OutsideConnection {
  int fd = -1;                     ///< a socket that is not connected; it does not wait
  std::string own_name = {};       ///< an abstract one, bound before; empty: none
  std::string peer;                ///< its address: a path, or an abstract name
  const Creds* process = nullptr;  ///< who is to have it; null: as this process is
};

/// Connects it, unless not `connects`: then only looks whether it could. In a process of its own,
/// which has the effective ids and capabilities of `process`: the other end sees them
/// (SO_PEERCRED), and no way is gone that it may not go, nor one that leads where another user, who
/// can change it, may not go (preflight/trusted_path.h). Empty, or what failed.
std::string ConnectTo(const OutsideConnection& connection, bool connects);

}  // namespace crgen::restorer
