// SPDX-License-Identifier: Apache-2.0
// How every type of open file description looks in a program: one file for each.
#pragma once

#include "dsl/files/bpf_map.h"
#include "dsl/files/eventfd.h"
#include "dsl/files/eventpoll.h"
#include "dsl/files/fanotify.h"
#include "dsl/files/inet_socket.h"
#include "dsl/files/inotify.h"
#include "dsl/files/late.h"
#include "dsl/files/lock.h"
#include "dsl/files/memfd.h"
#include "dsl/files/namespace_file.h"
#include "dsl/files/netlink_socket.h"
#include "dsl/files/other.h"
#include "dsl/files/packet_socket.h"
#include "dsl/files/pidfd.h"
#include "dsl/files/pipe.h"
#include "dsl/files/regular.h"
#include "dsl/files/signalfd.h"
#include "dsl/files/timerfd.h"
#include "dsl/files/tty.h"
#include "dsl/files/tun_file.h"
#include "dsl/files/unix_socket.h"
#include "dsl/files/unlinked.h"
#include "dsl/socket_options.h"

namespace crgen {

/// What is said of the `flags` that descriptions of nearly all types have.
inline constexpr std::string_view kFileFlagsNote = "open(2) flag names, one access mode";

}  // namespace crgen
