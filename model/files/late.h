// SPDX-License-Identifier: Apache-2.0
// What of an open file description can only be set when the whole tree is there: the attribute
// `descriptors`.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "model/files/eventpoll.h"
#include "model/files/fanotify.h"
#include "model/files/inet_socket.h"
#include "model/files/inotify.h"
#include "model/files/lock.h"
#include "model/files/timerfd.h"
#include "model/files/tty.h"
#include "model/files/unix_socket.h"
#include "model/flags.h"
#include "model/ids.h"
#include "model/socket_options.h"

namespace crgen {

/// fown_entry: who gets the signals of O_ASYNC (fcntl(2), F_SETOWN_EX, F_SETSIG), with the ids that
/// they are sent with. Without `pid` nobody does; `type`, `uid` and `euid` stand beside `pid`.
struct FileOwner {
  std::optional<OwnerType> type;
  std::optional<PidReference> pid;
  std::optional<Signal> signal;  ///< absent: SIGIO, without siginfo
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> euid;
  friend bool operator==(const FileOwner&, const FileOwner&) = default;
};

struct OwnerSetting {
  FileOwner owner;
  friend bool operator==(const OwnerSetting&, const OwnerSetting&) = default;
};

/// The kinds of late state, in the order in which a program sets them over the whole tree. An
/// object of the list `descriptors` has the members of one of them.
using LateState =
    std::variant<QueueSetting, TtyInput, ShutdownSetting, SocketOptionsSetting, EpollTargets,
                 LockSetting, TtyForeground, TtyLock, LeaseSetting, OwnerSetting, InotifyWatches,
                 FanotifyMarks, TimerfdSetting, RepairSetting>;

}  // namespace crgen
