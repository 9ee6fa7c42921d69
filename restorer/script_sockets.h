// SPDX-License-Identifier: Apache-2.0
// Of the script: sockets.
#pragma once

#include <stdint.h>

namespace crgen::restorer {

/// The ids that sockets keep of who makes them.
struct SocketOwner {
  uint32_t euid, egid;    ///< what SO_PEERCRED tells the other end
  uint32_t fsuid, fsgid;  ///< whose the socket is: fchown(2)
  const uint32_t* groups;
  uint32_t group_count;
};

/// setsockopt(2).
struct SocketOptionOp {
  int32_t level;
  int32_t name;
  const void* value;
  uint32_t size;
};
struct SocketOptionsOp {
  int32_t fd;
  const SocketOptionOp* options;
  uint32_t count;
};

/// struct sockaddr.
struct SocketAddress {
  const void* bytes;  ///< null: none
  uint32_t size;
};

/// A socket that binds itself to an address: of the internet, but for what the supervisor does with
/// connections at the hand-over, and of netlink(7).
struct BoundSocketState {
  int32_t family, type, protocol;
  SocketOptionsOp options;  ///< before it is bound
  SocketAddress source;
  /// None but the port of `source`, which connect(2) then finds by itself; null: it is bound to it.
  SocketAddress port_alone;
  SocketOptionsOp bound_options;  ///< when it is bound
  int32_t backlog;                ///< -1: it does not listen
  SocketAddress destination;      ///< of a datagram socket
  bool shut;                      ///< a connection that the user wants closed
  const SocketOwner* owner;       ///< null: as this process is
};

/// A device of tun(4), and what a description of it is attached by.
struct TunOp {
  const char* name;
  uint16_t flags;  ///< of TUNSETIFF
  int32_t sndbuf;  ///< bytes; of each description, which a new one has not
  bool detached;
  bool ends;  ///< with its last description
};

/// shutdown(2).
struct ShutdownOp {
  int32_t fd;
  int32_t how;
};

/// The supervisor gets a descriptor, through a socket that it has.
struct KeepOp {
  int32_t fd;
  int32_t keeper;   ///< its number there
  uint32_t number;  ///< what is sent along
};

/// On the board: the file of a unix socket. While bind(2) makes it, it is told by its owner.
struct MadeFile {
  enum : uint32_t { kNone, kBinding, kMade } state;
  uint32_t uid;
  uint32_t device_major, device_minor;
  uint64_t inode;
};

/// Where such a root (SocketName::link) has proc(5): no part of a name is as long.
inline constexpr char kNameProc[] =
    "crrestore-proc-0123456789012345678901234567890123456789012345678901234567890123456789"
    "01234567890123456789012345678901234567890123456789";
static_assert(sizeof kNameProc > 108);

/// An address of a unix socket, and where it means what it says.
struct SocketName {
  const void* address;  ///< struct sockaddr_un
  uint32_t length;
  bool has_file;          ///< no abstract one
  const char* path;       ///< as in the address; of an abstract name for people
  const char* directory;  ///< where a relative path begins; null: it is absolute
  const char* folder;     ///< where the file is, from the root where it is looked up
  const char* base;       ///< its name there
  // Where it is looked up: from the root of a mount namespace, and there perhaps another one.
  int32_t from;       ///< -1: that of the process
  const char* below;  ///< null: that one
  /// A descriptor of the folder, which mounts hide; -1: the path leads there.
  int32_t hidden;
  // Such a folder is at the end of a path, below a root that has nothing else; null: it needs none.
  const char* parent;  ///< of the folder
  const char* link;    ///< to it
  MadeFile* made;      ///< null: nobody has to know
  /// The service descriptor of an empty root of its own, where the file is out of everybody's way;
  /// null: it is the one that everybody sees.
  const char* root;
  bool has_permissions;
  uint32_t mode, uid, gid;
};

struct SocketEnd {
  int32_t fd;
  uint32_t flags;
  bool cloexec;
  const SocketName* name;  ///< to bind; null: none
};

/// Options of a listener that connections have from their first moment (unix_stream_connect() of
/// the kernel), or from accept(2) on.
struct HandedOn {
  bool passcred, passsec;
};

/// socket(2), socketpair(2), accept(2).
struct SocketOp {
  int32_t type;
  SocketEnd end;
  SocketEnd peer;  ///< its fd is -1 if there is none
  bool peer_unconnected;
  const SocketName* target;  ///< to connect to; null: none
  int32_t target_pid;        ///< who has called listen(2) there; 0: nobody
  int32_t accept_from;       ///< a descriptor of the listener; -1: nobody accepts
  int32_t shutdown_before;   ///< one more than what shutdown(2) takes; 0: none
  int32_t backlog;           ///< -1: it does not listen
  HandedOn handed_on;        ///< of this listener, or of that which accepts
  const SocketOwner* owner;  ///< null: as this process is
};

struct MessageOp {
  const char* image;  ///< name in the service directory
  uint64_t offset;
  uint64_t bytes;
  const int32_t* rights;
  uint32_t right_count;
};
struct SendOp {
  int32_t fd;
  const MessageOp* messages;
  uint32_t count;
};

}  // namespace crgen::restorer
