// SPDX-License-Identifier: Apache-2.0
// Every type of open file description and every kind of late state.
#pragma once

#include "restorer/files/bpf_map.h"
#include "restorer/files/eventfd.h"
#include "restorer/files/eventpoll.h"
#include "restorer/files/fanotify.h"
#include "restorer/files/inet_socket.h"
#include "restorer/files/inotify.h"
#include "restorer/files/lock.h"
#include "restorer/files/memfd.h"
#include "restorer/files/namespace_file.h"
#include "restorer/files/netlink_socket.h"
#include "restorer/files/owner.h"
#include "restorer/files/packet_socket.h"
#include "restorer/files/pidfd.h"
#include "restorer/files/pipe.h"
#include "restorer/files/regular.h"
#include "restorer/files/signalfd.h"
#include "restorer/files/socket_options.h"
#include "restorer/files/timerfd.h"
#include "restorer/files/tty.h"
#include "restorer/files/tun_file.h"
#include "restorer/files/unix_socket.h"

namespace crgen::restorer {

/// Preflight has refused plans with such files.
template <>
struct FileRestorer<OtherFile> : PlainRestorer<OtherFile> {
  static void Compile(const OtherFile&, OpenContext& context) {
    context.op.kind = OpKind::kNothing;
  }
};

}  // namespace crgen::restorer
