// SPDX-License-Identifier: Apache-2.0
#include "restorer/outside_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "dsl/references.h"
#include "model/printable.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

/// False: it is longer than an address can be.
bool MakeAddress(const std::string& name, sockaddr_un* address, socklen_t* length) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (name.size() > sizeof address->sun_path) return false;
  std::memcpy(address->sun_path, name.data(), name.size());
  *length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return true;
}

class Connector {
 public:
  Connector(const File& file, const UnixSocket& socket) : file_(file), socket_(socket) {}

  /// A descriptor; -1: what() says what failed.
  int Run(bool connects) {
    const std::string& peer = socket_.peer_name->bytes;
    if (peer.starts_with('/') && !IsSocket(peer)) return Fails("no socket is at");
    const int type = static_cast<int>(socket_.socket_type.value) | SOCK_CLOEXEC;
    const int fd = FailsOnPurpose() ? -1 : socket(AF_UNIX, type, 0);
    if (fd < 0) return Fails("socket(2) for");
    if (!connects) return fd;
    if (Named(fd) && To(fd, peer, connect, "connect(2) to") && Flagged(fd)) return fd;
    close(fd);
    return -1;
  }
  const std::string& what() const { return what_; }

 private:
  static bool IsSocket(const std::string& path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0) return false;
    errno = ENOTSOCK;
    return S_ISSOCK(status.st_mode);
  }

  /// Where messages are answered to; a name in a folder is the peer's matter, and lost.
  bool Named(int fd) {
    return !socket_.IsAbstract() ||
           To(fd, socket_.name->bytes, bind, "bind(2) before connecting to");
  }

  template <typename Call>
  bool To(int fd, const std::string& name, Call call, const char* text) {
    sockaddr_un address;
    socklen_t length = 0;
    errno = ENAMETOOLONG;
    const bool done = MakeAddress(name, &address, &length) && !FailsOnPurpose() &&
                      call(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0;
    if (!done) Fails(text);
    return done;
  }

  bool Flagged(int fd) {
    if (fcntl(fd, F_SETFL, static_cast<int>(file_.flags.bits)) == 0) return true;
    Fails("F_SETFL of the connection to");
    return false;
  }

  int Fails(const char* text) {
    what_ =
        std::string(text) + " " + Printable(socket_.peer_name->bytes) + ": " + std::strerror(errno);
    return -1;
  }

  const File& file_;
  const UnixSocket& socket_;
  std::string what_;
};

}  // namespace

void ConnectOutside(const Program& program, const OutsideSockets& allowed, bool connects,
                    std::map<std::string, int>* inherited, Diagnostics& diag) {
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto* open = std::get_if<OpenFile>(&program[i].body);
    const auto* socket = open == nullptr ? nullptr : As<UnixSocket>(*open->file);
    if (socket == nullptr || !open->file->external || !socket->peer_name) continue;
    const std::string& key = *open->file->external;
    if ((!allowed.all && !allowed.keys.contains(key)) || inherited->contains(key)) continue;
    Connector connector(*open->file, *socket);
    const int fd = connector.Run(connects);
    if (fd >= 0) {
      inherited->emplace(key, fd);
    } else {
      diag.Add({Severity::kError, CommandPlace(program[i], i), key + ": " + connector.what(), i,
                "start who listens there, or hand over a descriptor: --inherit-fd fd[N]:" + key});
    }
  }
}

}  // namespace crgen::restorer
