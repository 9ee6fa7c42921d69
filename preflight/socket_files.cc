// SPDX-License-Identifier: Apache-2.0
#include "preflight/socket_files.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "model/file_kind.h"
#include "preflight/doing.h"
#include "preflight/host_files.h"

namespace crgen {
namespace {

int kept_probe = -1;

int MakeProbe() { return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }

/// Of a socket file. Through a descriptor: the path may be longer than an address.
NameState StateOfSocket(int file) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", file);
  const int probe = kept_probe >= 0 ? kept_probe : MakeProbe();
  if (probe < 0) return NameState::kUnknown;
  const bool none = connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
                    errno == ECONNREFUSED;
  if (probe != kept_probe) {
    close(probe);
  } else if (!none) {
    const sockaddr nobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
    (void)connect(probe, &nobody, sizeof nobody);  // whoever it was is not held
  }
  return none ? NameState::kStale : NameState::kInUse;
}

NameState StateOf(mode_t mode) {
  return S_ISREG(mode)    ? NameState::kRegular
         : S_ISDIR(mode)  ? NameState::kDirectory
         : S_ISLNK(mode)  ? NameState::kLink
         : S_ISFIFO(mode) ? NameState::kFifo
                          : NameState::kDevice;
}

}  // namespace

std::string_view NameOf(NameState state) {
  switch (state) {
    case NameState::kFree:
      return "nothing";
    case NameState::kStale:
      return "a socket that nobody has";
    case NameState::kInUse:
      return "a socket that somebody has";
    case NameState::kOther:
      return "another file";
    case NameState::kRegular:
      return FileKindName(S_IFREG);
    case NameState::kDirectory:
      return FileKindName(S_IFDIR);
    case NameState::kLink:
      return FileKindName(S_IFLNK);
    case NameState::kFifo:
      return FileKindName(S_IFIFO);
    case NameState::kDevice:
      return "a device";
    case NameState::kUnknown:
      return "a file that cannot be looked at: too many are open";
  }
  return "";
}

NameState LookAtName(const std::string& path) {
  const Doing doing("looking at it", path);
  const int file = open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) {
    return errno == ENOENT                      ? NameState::kFree
           : errno == EMFILE || errno == ENFILE ? NameState::kUnknown
                                                : NameState::kOther;
  }
  struct stat status;
  NameState state = NameState::kOther;
  if (fstat(file, &status) == 0) {
    state = S_ISSOCK(status.st_mode) ? StateOfSocket(file) : StateOf(status.st_mode);
  }
  close(file);
  return state;
}

int KeepProbe() {
  kept_probe = MakeProbe();
  return kept_probe;
}

std::optional<std::uint32_t> StrangerOnWay(const std::string& folder, const IdMap& map) {
  const auto uid = ForeignOwnerOf(folder);
  const auto has = [&](const IdRange& range) {
    return *uid >= range.outside && *uid - range.outside < range.count;
  };
  return !uid || *uid == 0 || std::ranges::any_of(map, has) ? std::nullopt : uid;
}

}  // namespace crgen
