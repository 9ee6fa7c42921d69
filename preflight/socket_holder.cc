// SPDX-License-Identifier: Apache-2.0
#include "preflight/socket_holder.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>

#include "preflight/open_descriptors.h"

namespace crgen::preflight {
namespace {

/// The inode of the socket that /proc/net/unix has with this name; `type` 0: of any. Empty: none.
std::string InodeOf(std::uint32_t type, const std::string& name) {
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, "%04X", type);
  std::ifstream table("/proc/net/unix");
  std::string line;
  std::getline(table, line);  // titles
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string word, its_type, inode, its_name;
    for (int skipped = 0; skipped < 4 && words >> word; ++skipped) {
    }
    words >> its_type >> word >> inode;
    words.get();
    std::getline(words, its_name);
    if (its_name == name && (type == 0 || its_type == wanted)) return inode;
  }
  return "";
}

/// Whether nobody else can have it: it is bound, and let go. Who may make no socket
/// (crgen/confine.h) believes the table, where a file "@name" and "\0name" are alike.
bool IsTaken(const UnixSocket& socket) {
  const std::string& name = socket.name->bytes;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name.size() > sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const int type = static_cast<int>(socket.socket_type.value) | SOCK_CLOEXEC;
  const int fd = ::socket(AF_UNIX, type, 0);
  if (fd < 0) return errno == EPERM;
  const bool taken =
      bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 && errno == EADDRINUSE;
  close(fd);
  return taken;
}

}  // namespace

std::string HolderOf(const std::string& inode) {
  const std::string wanted = "socket:[" + inode + "]";
  std::string found;
  ForEachDescriptor([&](const std::string& process, const std::string& fd) {
    if (!found.empty()) return;
    char link[64];
    const ssize_t size = readlink((process + "/fd/" + fd).c_str(), link, sizeof link);
    if (size < 0 || std::string_view(link, static_cast<std::size_t>(size)) != wanted) return;
    found = ", by " + NameOfProcess(process);
  });
  return found;
}

std::string PathHolder(const std::string& path) {
  const std::string inode = InodeOf(0, path);
  return inode.empty() ? "" : HolderOf(inode);
}

std::string AbstractNameUser(const UnixSocket& socket) {
  std::string name = socket.name->bytes;  // as the table has it
  std::replace(name.begin(), name.end(), '\0', '@');
  const std::string inode = InodeOf(socket.socket_type.value, name);
  return inode.empty() || !IsTaken(socket) ? "" : "+" + HolderOf(inode);
}

}  // namespace crgen::preflight
