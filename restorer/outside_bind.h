// SPDX-License-Identifier: Apache-2.0
// The name of a socket whose peer is outside, where it is a path: bound before the socket connects.
#pragma once

#include <string>

#include "model/files/unix_socket.h"
#include "restorer/momentary_name.h"

namespace crgen::restorer {

/// Binds `fd` to the name of `socket`, as the executor does with those of the tree's own
/// connections: a socket file that nobody has makes room, anything else stays and is in the way;
/// names are looked up with the rights of whoever can change the way. What is made is on `record`.
/// Not `binds`: only looks. Empty, or what failed. REQUIRES: a name that is not abstract.
std::string BindPath(const UnixSocket& socket, int fd, bool binds, NameRecord* record);

}  // namespace crgen::restorer
