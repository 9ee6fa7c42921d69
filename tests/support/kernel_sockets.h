// SPDX-License-Identifier: Apache-2.0
// Commands about unix sockets as system calls of the calling process, and what there is afterwards.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dsl/commands.h"

namespace crgen::test {

inline char ByteOfImage(std::uint64_t at) { return static_cast<char>(at * 31 + at / 251); }

/// Does what DSL.md says of OPEN_FILE, in a process whose descriptors below 64 are a program's.
class RealSockets {
 public:
  std::map<std::uint64_t, ino_t> inode_of;  ///< by socket id

  /// 0 or errno.
  int Open(const OpenFile& open) {
    const auto& body = std::get<UnixSocket>(open.file->body);
    if (open.fd < 0 || fcntl(open.fd, F_GETFD) >= 0) return EEXIST;
    if (open.peer != nullptr && open.peer->fd == open.fd) return EEXIST;
    if (open.peer != nullptr && fcntl(open.peer->fd, F_GETFD) >= 0) return EEXIST;
    std::array<int, 2> ends = {-1, -1};
    const int error = open.peer == nullptr
                          ? Single(body, &ends[0])
                          : Pair(body, std::get<UnixSocket>(open.peer->file->body), &ends);
    if (error != 0) {
      for (const int end : ends) {
        if (end >= 0) close(end);
      }
      return error;
    }
    Put(ends[0], open.fd, body);
    if (open.peer != nullptr) {
      Put(ends[1], open.peer->fd, std::get<UnixSocket>(open.peer->file->body));
    }
    return 0;
  }

  int Send(Fd fd, const QueueSetting& setting) {
    for (const SentMessage& message : setting.queue) {  // all of them or none
      for (const Fd right : message.rights) {
        if (fcntl(right, F_GETFD) < 0) return EBADF;
      }
    }
    for (const SentMessage& message : setting.queue) {
      if (const int error = SendOne(fd, message); error != 0) return error;
    }
    return 0;
  }

  static int Shut(Fd fd, const ShutdownSetting& setting) {
    return shutdown(fd, static_cast<int>(setting.shutdown.value) - 1) < 0 ? errno : 0;
  }

 private:
  static sockaddr_un Address(const UnixSocket& socket, socklen_t* size) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket.name->bytes.data(), socket.name->bytes.size());
    *size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.name->bytes.size());
    return address;
  }

  int Bind(int fd, const UnixSocket& socket) {
    if (!socket.name) return 0;
    socklen_t size = 0;
    const sockaddr_un address = Address(socket, &size);
    if (!socket.IsAbstract()) {  // a file that no socket has is in nobody's way
      const int probe = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (connect(probe, reinterpret_cast<const sockaddr*>(&address), size) < 0 &&
          errno == ECONNREFUSED) {
        unlink(socket.name->bytes.c_str());
      }
      close(probe);
    }
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return 0;
    return errno;
  }

  /// A descriptor of the socket, or -1.
  Fd FdOf(const UnixSocket& socket) {
    constexpr Fd kMost = 64;
    struct stat status;
    for (Fd fd = 0; fd < kMost; ++fd) {
      if (fstat(fd, &status) == 0 && status.st_ino == inode_of[socket.socket_id.value]) return fd;
    }
    return -1;
  }
  int Single(const UnixSocket& socket, int* fd, std::optional<Fd> accept_from = {}) {
    const int type = static_cast<int>(socket.socket_type.value);
    *fd = Aside(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (*fd < 0) return errno;
    if (const int error = Bind(*fd, socket); error != 0) return error;
    if (socket.shutdown_before) {
      shutdown(*fd, static_cast<int>(socket.shutdown_before->value) - 1);
    }
    if (socket.connect_to) {
      const auto target = sockets_.find(socket.connect_to->value);
      const bool own = socket.connect_to->value == socket.socket_id.value;
      const UnixSocket* to = own ? &socket : target == sockets_.end() ? nullptr : &target->second;
      if (to == nullptr || !to->name) return ECONNREFUSED;
      // accept(2) would give another connection, which has waited longer.
      const bool can_connect = to->socket_type == socket.socket_type && to->state == kListening;
      if (accept_from && can_connect && waiting_[to->socket_id.value] != 0) {
        return EINVAL;
      }
      // Another one of that name, which is not meant.
      if (to->IsAbstract() && !(to->socket_type == socket.socket_type)) return ECONNREFUSED;
      socklen_t size = 0;
      const sockaddr_un address = Address(*to, &size);
      if (connect(*fd, reinterpret_cast<const sockaddr*>(&address), size) < 0) return errno;
      if (!accept_from && can_connect) ++waiting_[to->socket_id.value];
    }
    if (socket.backlog && listen(*fd, static_cast<int>(*socket.backlog)) < 0) return errno;
    return 0;
  }

  int Pair(const UnixSocket& one, const UnixSocket& other, std::array<int, 2>* ends) {
    if (one.connect_to) {
      struct stat status;
      const bool is_open = fstat(*other.accept_from, &status) == 0;
      if (const int error = Single(one, &(*ends)[0], other.accept_from); error != 0) return error;
      const Fd listener = FdOf(sockets_.at(one.connect_to->value));
      const int got = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (!is_open || status.st_ino != inode_of[one.connect_to->value]) {
        close(got);
        return is_open ? EINVAL : EBADF;
      }
      if (got < 0) return errno;
      (*ends)[1] = Aside(got);
      return 0;
    }
    int made[2];
    const int type = static_cast<int>(one.socket_type.value);
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, made) < 0) return errno;
    *ends = {Aside(made[0]), Aside(made[1])};
    if (const int error = Bind((*ends)[0], one); error != 0) return error;
    if (const int error = Bind((*ends)[1], other); error != 0) return error;
    if (other.state == kUnconnected) {
      const sockaddr nobody = {};
      connect((*ends)[1], &nobody, sizeof nobody);
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt((*ends)[0], SOL_SOCKET, SO_ERROR, &error, &size);
    }
    return 0;
  }

  static int Aside(int fd) {
    const int aside = fcntl(fd, F_DUPFD_CLOEXEC, 64);
    close(fd);
    return aside;
  }
  void Put(int from, Fd fd, const UnixSocket& socket) {
    dup3(from, fd, 0);
    close(from);
    struct stat status;
    fstat(fd, &status);
    inode_of[socket.socket_id.value] = status.st_ino;
    sockets_[socket.socket_id.value] = socket;
  }

  static int SendOne(Fd fd, const SentMessage& message) {
    std::string bytes;
    for (std::uint64_t i = 0; i < message.bytes; ++i) {
      bytes.push_back(ByteOfImage(message.source.offset + i));
    }
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
    iovec vector = {bytes.data(), bytes.size()};
    msghdr header = {};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (!message.rights.empty()) {
      const std::size_t size = sizeof(int) * message.rights.size();
      header.msg_control = control;
      header.msg_controllen = CMSG_SPACE(size);
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(size);
      std::memcpy(CMSG_DATA(rights), message.rights.data(), size);
    }
    for (;;) {
      if (sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
      if (errno != ECONNRESET) return errno;  // told once: its peer had not read everything
    }
  }

  std::map<std::uint64_t, UnixSocket> sockets_;
  std::map<std::uint64_t, int> waiting_;  ///< connections that nobody has accepted, by listener
};

/// All that a socket has received, as text: bytes, and the inodes of what came along. A stream may
/// give bytes of several messages at once; what came along with them stands at the end, then.
inline std::string Drain(Fd fd, bool stream) {
  std::string text, carried;
  std::string bytes(70000, '\0');
  for (;;) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 32)];
    iovec vector = {bytes.data(), bytes.size()};
    msghdr header = {};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == ECONNRESET) continue;  // told once: its peer had not read everything
    if (got < 0 || (stream && got == 0)) return text + carried;
    if (got == 0 && header.msg_controllen == 0) {
      pollfd end = {fd, POLLRDHUP, 0};
      if (poll(&end, 1, 0) == 1) return text;
    }
    for (cmsghdr* it = CMSG_FIRSTHDR(&header); it != nullptr; it = CMSG_NXTHDR(&header, it)) {
      const std::size_t count = (it->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int right = -1;
        std::memcpy(&right, CMSG_DATA(it) + i * sizeof right, sizeof right);
        struct stat status;
        fstat(right, &status);
        (stream ? carried : text) += "[" + std::to_string(status.st_ino) + "]";
        close(right);
      }
    }
    text += std::string(bytes.data(), static_cast<std::size_t>(got)) + (stream ? "" : "|");
  }
}

}  // namespace crgen::test
