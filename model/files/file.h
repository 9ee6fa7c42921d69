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

#include "model/files/bpf_map.h"
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
#include "model/rare.h"

namespace crgen {

/// The list of types, from which all else follows: what has no row for one of them does not
/// compile. Each body says of itself `kType`, CRIU's name.
using FileBody = std::variant<RegularFile, Memfd, Eventfd, Signalfd, Timerfd, Eventpoll, Inotify,
                              Fanotify, Pidfd, Pipe, Fifo, UnixSocket, InetSocket, NetlinkSocket,
                              PacketSocket, Tty, NamespaceFile, TunFile, BpfMap, OtherFile>;

/// An open file description (open(2), NOTES).
struct File {
  FileId id;
  OpenFlags flags;  ///< those that F_GETFL shows; of an OtherFile unknown
  FileBody body;
  /// What the caller of a restore hands over, by its key (model/files/external.h); absent: it is
  /// made.
  Rare<std::string> external = {};
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

/// The body, for whoever is about this type alone; nullptr: it is of another one. What is asked of
/// every type goes by std::visit instead, so that a new one cannot be forgotten.
template <typename Body>
const Body* As(const File& file) {
  return std::get_if<Body>(&file.body);
}

/// Types that say `using Object`: what the snapshot keeps of the thing behind their descriptions.
template <typename Body>
concept HasObjectBehind = requires {
  typename Body::Object;
};

/// A description of a file that has lost its name.
struct UnlinkedName {
  const Unlinked* file;
  const Text* path;
};

/// nullopt: the file has a name, or cannot have one.
inline std::optional<UnlinkedName> UnlinkedOf(const File& file) {
  return std::visit(
      [](const auto& body) -> std::optional<UnlinkedName> {
        if constexpr (requires { body.unlinked->link_of; }) {
          if (body.unlinked) return UnlinkedName{&*body.unlinked, &body.path};
        }
        return std::nullopt;
      },
      file.body);
}

/// A description of a file that has another name than its own by now.
struct LinkedName {
  const Text* path;
  const Text* link;  ///< the dumper's
};

/// nullopt: no link stands for it.
inline std::optional<LinkedName> LinkedOf(const File& file) {
  return std::visit(
      [](const auto& body) -> std::optional<LinkedName> {
        if constexpr (requires { body.opened_by->bytes; }) {
          if (body.opened_by) return LinkedName{&body.path, &*body.opened_by};
        }
        return std::nullopt;
      },
      file.body);
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
