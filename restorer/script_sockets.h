// Of the script: sockets.
#pragma once

#include <stdint.h>

namespace crgen::restorer {

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

/// An internet socket, but for what the supervisor does with connections at the hand-over.
struct InetState {
  int32_t family, type, protocol;
  SocketOptionsOp options;  ///< before it is bound
  SocketAddress source;
  int32_t backlog;            ///< -1: it does not listen
  SocketAddress destination;  ///< of a datagram socket
  bool shut;                  ///< a connection that the user wants closed
};

/// shutdown(2).
struct ShutdownOp {
  int32_t fd;
  int32_t how;
};

/// An address of a unix socket, and where it means what it says.
struct SocketName {
  const void* address;  ///< struct sockaddr_un
  uint32_t length;
  bool has_file;          ///< no abstract one
  const char* path;       ///< as in the address
  const char* directory;  ///< where a relative path begins; null: it is absolute
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

/// socket(2), socketpair(2), accept(2).
struct SocketOp {
  int32_t type;
  SocketEnd end;
  SocketEnd peer;  ///< its fd is -1 if there is none
  bool peer_unconnected;
  const SocketName* target;  ///< to connect to; null: none
  int32_t accept_from;       ///< a descriptor of the listener; -1: nobody accepts
  int32_t shutdown_before;   ///< one more than what shutdown(2) takes; 0: none
  int32_t backlog;           ///< -1: it does not listen
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
