// SPDX-License-Identifier: Apache-2.0
// Options of sockets, which the messages of several types have.
#pragma once

#include "images/load/place.h"
#include "images/proto/sockets.pb.h"
#include "model/socket_options.h"

namespace crgen {

/// What differs from a new socket of the kernel's. Reports what no socket has; `at` is the place of
/// the socket's message.
SocketOptions SocketOptionsOf(const pb::sk_opts_entry& from, const Place& at);

/// The same for sockets that are none of the internet: sizes of buffers that somebody has set
/// alone, and not SO_REUSEPORT, which means nothing to them.
SocketOptions LocalSocketOptionsOf(const pb::sk_opts_entry& from, const Place& at);

}  // namespace crgen
