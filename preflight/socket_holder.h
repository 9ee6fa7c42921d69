// SPDX-License-Identifier: Apache-2.0
// Who has a socket, as far as this process can see it.
#pragma once

#include <string>

#include "model/files/unix_socket.h"

namespace crgen::preflight {

/// ", by process 12 (redis-server)": who holds the socket; empty: nobody that can be seen.
std::string HolderOf(const std::string& inode);

/// The same of who has bound a unix socket to that path. The path is the one that bind(2) was
/// given.
std::string PathHolder(const std::string& path);

/// Who has the abstract name of `socket` in this network namespace: "+", then as HolderOf(). Empty:
/// nobody. Only a name that somebody seems to have is tried.
std::string AbstractNameUser(const UnixSocket& socket);

}  // namespace crgen::preflight
