// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsl/describe.h"
#include "dsl/image_bytes.h"
#include "model/files/unix_socket.h"

namespace crgen {

template <>
struct Describe<FilePermissions> {
  static constexpr auto kFields = std::tuple{Required("mode", &FilePermissions::mode, "st_mode"),
                                             Required("uid", &FilePermissions::uid, "owner"),
                                             Required("gid", &FilePermissions::gid, "group")};
};

template <>
struct Describe<UnixSocket> {
  static constexpr auto kFields = std::tuple{
      Required("socket_id", &UnixSocket::socket_id, "unique: no socket has two descriptions"),
      Required("socket_type", &UnixSocket::socket_type, "SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET"),
      Required("state", &UnixSocket::state, "one whose peer has gone is `connected`"),
      Optional("backlog", &UnixSocket::backlog, "with state `listening`: listen(2)"),
      Optional("name", &UnixSocket::name, "bind(2), as it is given; abstract: with leading NUL"),
      Optional("name_directory", &UnixSocket::name_directory, "where a relative `name` begins"),
      Optional("name_root", &UnixSocket::name_root,
               "the root below which an absolute `name` was bound; absent: `/`"),
      Optional("mount", &UnixSocket::mount,
               "the id of the mount that the file is in, also one that others hide; its namespace "
               "is where the path begins; absent: where the path leads for who opens it"),
      Optional("unlinked_name", &UnixSocket::unlinked_name, "no path leads to it; default false"),
      Optional("connect_to", &UnixSocket::connect_to,
               "connect(2) to the socket with that id, by its name; to a listener without `peer`: "
               "it has not accepted"),
      Optional("accept_from", &UnixSocket::accept_from,
               "of a `peer`: accept(2) on this descriptor of the listener, whose name it bears")
          .Within(kFds),
      Optional("shutdown_before", &UnixSocket::shutdown_before,
               "shutdown(2) before connect(2), which the peer does not notice"),
      Optional("permissions", &UnixSocket::permissions, "of the socket file"),
      Optional("peer_name", &UnixSocket::peer_name,
               "with `external`: the name of the peer, to which who restores may connect one"),
      Optional("net", &UnixSocket::net,
               "the id of the network namespace that it is in; absent: that of who opens it")};
};

template <>
struct Describe<SentMessage> {
  static constexpr auto kFields = std::tuple{
      Required("source", &SentMessage::source, "where the message lies"),
      Required("bytes", &SentMessage::bytes, "of the message"),
      Optional("rights", &SentMessage::rights,
               "SCM_RIGHTS: descriptors of this process that are sent along, at most 253")};
};

template <>
struct Describe<QueueSetting> {
  static constexpr auto kFields = std::tuple{
      Required("queue", &QueueSetting::queue, "what the socket has sent and nobody received")};
};

}  // namespace crgen
