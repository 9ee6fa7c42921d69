// SPDX-License-Identifier: Apache-2.0
// Open file descriptions, the objects behind them, and the tables that refer to them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "model/files/eventfd.h"
#include "model/files/eventpoll.h"
#include "model/files/fanotify.h"
#include "model/files/inet_socket.h"
#include "model/files/inotify.h"
#include "model/files/memfd.h"
#include "model/files/namespace_file.h"
#include "model/files/netlink_socket.h"
#include "model/files/other.h"
#include "model/files/packet_socket.h"
#include "model/files/pidfd.h"
#include "model/files/pipe.h"
#include "model/files/regular.h"
#include "model/files/signalfd.h"
#include "model/files/timerfd.h"
#include "model/files/tty.h"
#include "model/files/tun_file.h"
#include "model/files/unix_socket.h"
#include "model/flags.h"
#include "model/ids.h"

namespace crgen {

/// The list of types, from which all else follows: what has no row for one of them does not
/// compile. Each body says of itself `kType`, CRIU's name.
using FileBody = std::variant<RegularFile, Memfd, Eventfd, Signalfd, Timerfd, Eventpoll, Inotify,
                              Fanotify, Pidfd, Pipe, Fifo, UnixSocket, InetSocket, NetlinkSocket,
                              PacketSocket, Tty, NamespaceFile, TunFile, OtherFile>;

/// An open file description (open(2), NOTES).
struct File {
  FileId id;
  OpenFlags flags;  ///< those that F_GETFL shows; of an OtherFile unknown
  FileBody body;
  /// What the caller of a restore hands over, by its key (model/files/external.h); absent: it is
  /// made.
  std::optional<std::string> external = std::nullopt;
  friend bool operator==(const File&, const File&) = default;
};

/// Whether files with this body have `flags` in a program.
template <typename Body>
inline constexpr bool kHasFlags = !std::is_same_v<Body, OtherFile>;

/// CRIU's name of the type, e.g. "REG".
inline std::string_view TypeOf(const File& file) {
  return std::visit(
      [](const auto& body) -> std::string_view {
        if constexpr (std::is_same_v<std::decay_t<decltype(body)>, OtherFile>) {
          return body.type;
        } else {
          return body.kType;
        }
      },
      file.body);
}

/// The path part of a REG: of what is mapped, executed, or a directory. nullptr: another type.
inline const RegularFile* AsRegular(const File& file) {
  return std::get_if<RegularFile>(&file.body);
}

/// A description of a file that has lost its name.
struct UnlinkedName {
  const Unlinked* file;
  const Text* path;
};

/// nullopt: the file has a name, or cannot have one.
inline std::optional<UnlinkedName> UnlinkedOf(const File& file) {
  const auto of = [](const auto* body) -> std::optional<UnlinkedName> {
    if (body == nullptr || !body->unlinked) return std::nullopt;
    return UnlinkedName{&*body->unlinked, &body->path};
  };
  if (auto name = of(std::get_if<RegularFile>(&file.body))) return name;
  return of(std::get_if<Fifo>(&file.body));
}

/// All types of file_entry, by CRIU's names; the index is the number in the image.
inline constexpr std::string_view kFileTypes[] = {
    "UND",       "REG",     "PIPE",     "FIFO",     "INETSK", "UNIXSK",   "EVENTFD",
    "EVENTPOLL", "INOTIFY", "SIGNALFD", "PACKETSK", "TTY",    "FANOTIFY", "NETLINKSK",
    "NS",        "TUNF",    "EXT",      "TIMERFD",  "MEMFD",  "BPFMAP",   "PIDFD"};

/// One slot of a descriptor table.
struct Descriptor {
  Fd fd = 0;
  bool cloexec = false;
  FileIndex file;
  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

/// Ascending by fd. One table may serve several processes (CLONE_FILES).
struct DescriptorTable {
  std::vector<Descriptor> slots;
};

}  // namespace crgen
