// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/flags.h"
#include "model/ids.h"
#include "model/image_bytes.h"
#include "model/rare.h"
#include "model/values.h"

namespace crgen {

/// Mode, with the type, and owner of a file.
struct FilePermissions {
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  friend bool operator==(const FilePermissions&, const FilePermissions&) = default;
};

/// unix_sk_entry: unix(7). The other end of a pair stands beside it: in a program as `peer` of the
/// command, in a snapshot in `socket_pairs`.
struct UnixSocket {
  static constexpr std::string_view kType = "UNIXSK";
  SocketId socket_id;
  SocketType socket_type;
  UnixState state;                       ///< one whose peer has gone is connected
  std::optional<std::uint32_t> backlog;  ///< listen(2)
  std::optional<Text> name;              ///< as it was bound; abstract: with the leading NUL
  Rare<Text> name_directory;             ///< where a relative name begins
  Rare<Text> name_root;                  ///< below which an absolute one is; absent: below `/`
  Rare<std::uint64_t> mount;             ///< of the file; absent: where the path leads
  bool unlinked_name = false;            ///< no path leads to the socket
  std::optional<SocketReference>
      connect_to;                           ///< a listener that has not accepted; a datagram socket
  std::optional<Fd> accept_from;            ///< in programs: a descriptor of the listener
  std::optional<Shutdown> shutdown_before;  ///< before it was connected: its peer knows nothing
  std::optional<FilePermissions> permissions;  ///< of the socket file
  Rare<Text> peer_name;                        ///< `external`: the name that it is connected to
  Rare<std::uint64_t> net;                     ///< as InetSocket::net

  bool IsAbstract() const { return name && !name->bytes.empty() && name->bytes.front() == '\0'; }
  /// Whether a file has the name.
  bool HasFile() const { return name && !IsAbstract() && !unlinked_name; }
  /// From the root of the mount namespace. REQUIRES: a name that is not abstract.
  std::string Path() const {
    if (name->bytes.starts_with('/')) return (name_root ? name_root->bytes : "") + name->bytes;
    const bool in_root = !name_directory || name_directory->bytes == "/";
    return (in_root ? "" : name_directory->bytes) + "/" + name->bytes;
  }
  friend bool operator==(const UnixSocket&, const UnixSocket&) = default;
};

/// Numbers of sockets' states, sk_state.
inline constexpr UnixState kConnected = {1}, kUnconnected = {7}, kListening = {10};

/// One message, or one piece of a stream. sk_packet_entry.
struct SentMessage {
  ImageSpan source;
  std::uint64_t bytes = 0;
  std::vector<Fd> rights;  ///< descriptors that are sent along: numbers of the process that sends
  friend bool operator==(const SentMessage&, const SentMessage&) = default;
};

/// Late state of a socket: what it has sent and nobody has received.
struct QueueSetting {
  std::vector<SentMessage> queue;
  friend bool operator==(const QueueSetting&, const QueueSetting&) = default;
};

}  // namespace crgen
