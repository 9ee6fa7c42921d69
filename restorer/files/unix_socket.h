// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>

#include "dsl/commands.h"
#include "preflight/root_view.h"
#include "restorer/files/file_restorer.h"

namespace crgen::restorer {

/// Names that no path leads to are bound below a root of their own, which the supervisor makes.
template <>
struct FileRestorer<UnixSocket> : PlainRestorer<UnixSocket> {
  static std::string Prepare(const File& file, const UnixSocket& socket, Services& services);
  static std::optional<SocketId> Listener(const UnixSocket& socket) {
    return socket.backlog ? std::optional(socket.socket_id) : std::nullopt;
  }
  static void Compile(const UnixSocket& socket, OpenContext& context);
};

template <>
struct LateRestorer<QueueSetting> {
  static void Compile(Fd fd, const QueueSetting& setting, const File& file, LateContext& context,
                      Op& op);
};

/// An empty file system that is mounted nowhere, for a name that no path leads to: of the first
/// user of `ids`. -1: errno.
int MakeNameRoot(const OutsideIds& ids = {});

/// What the listeners of a program hand on, though their options are set later.
std::map<SocketId, HandedOn> FindHandedOn(const Program& program);

/// The name has done its work; closes `root`.
void RemoveNameRoot(const UnixSocket& socket, int root);

/// The sockets whose names are files, in their order in the program.
std::map<SocketId, std::size_t> NumberSocketFiles(const Program& program);

/// After a restore that failed, when all its processes are gone: the socket files that it made.
/// `mounts`, which may be null, and `places`: as of a RootView. `board`: the memfd that has
/// MadeFile of each at its beginning.
void RemoveSocketFiles(const Program& program, const std::vector<Mount>* mounts,
                       const HostFiles& places, int board);

}  // namespace crgen::restorer
