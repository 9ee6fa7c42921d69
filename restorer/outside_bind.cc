// SPDX-License-Identifier: Apache-2.0
#include "restorer/outside_bind.h"

#include <fcntl.h>
#include <linux/un.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>

#include "model/printable.h"
#include "preflight/socket_files.h"
#include "preflight/trusted_path.h"
#include "restorer/files/unix_socket.h"
#include "restorer/own_process.h"
#include "restorer/problem.h"

namespace crgen::restorer {
namespace {

constexpr mode_t kUsualMask = 022, kClearedByChown = S_ISUID | S_ISGID;

bool BindTo(int fd, const std::string& name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  errno = ENAMETOOLONG;
  if (name.size() > sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0;
}

bool GoTo(const std::string& directory) { return chdir(directory.c_str()) == 0; }

/// Where nobody's file is in the way, and no path leads to afterwards.
void BindUnlinked(const UnixSocket& socket, int fd, Answer* answer) {
  const int root = MakeNameRoot();
  if (root < 0) return answer->Fails("fsmount of a tmpfs, for");
  if (fchdir(root) != 0 || chroot(".") != 0) return answer->Fails("chroot(2) for");
  const std::string path = socket.Path();
  for (std::size_t end = path.find('/', 1); end != path.npos; end = path.find('/', end + 1)) {
    if (mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST) {
      return answer->Fails("mkdir(2) for");
    }
  }
  if (!GoTo(socket.name_directory ? socket.name_directory->bytes : "/") ||
      !BindTo(fd, socket.name->bytes)) {
    return answer->Fails("bind(2) to");
  }
  unlink(path.c_str());
}

/// The folder of a name, and who else than root can change the way there.
struct Folder {
  ScopedFd fd;
  WayOwner owner;
  std::string base;
};

/// The process that binds.
class Binder {
 public:
  Binder(const UnixSocket& socket, int fd, const Folder& folder, Answer* answer)
      : socket_(socket), fd_(fd), folder_(folder), answer_(*answer) {}

  void Run(bool binds, NameRecord* record, long entry) {
    prctl(PR_SET_DUMPABLE, 0);
    umask(kUsualMask);
    const auto fsuid = static_cast<std::uint32_t>(syscall(SYS_setfsuid, -1));
    const auto fsgid = static_cast<std::uint32_t>(syscall(SYS_setfsgid, -1));
    const bool other = folder_.owner.any && folder_.owner.uid != fsuid;
    if (other && !ActAs(folder_.owner.uid, folder_.owner.gid)) return;
    answer_.has_uid = other;
    answer_.uid = folder_.owner.uid;
    if (fchdir(folder_.fd.get()) != 0) return answer_.Fails("the directory of");
    if (!MakeRoom(binds) || !binds) return;
    const auto& directory = socket_.name_directory;
    const bool there = socket_.name->bytes.starts_with('/') || !directory || GoTo(directory->bytes);
    if (!there || !BindTo(fd_, socket_.name->bytes)) return answer_.Fails("bind(2) to");
    answer_.has_uid = false;
    if (!other || ActAs(fsuid, fsgid)) SetFile(record, entry);
  }

 private:
  bool ActAs(std::uint32_t uid, std::uint32_t gid) {
    if (SetFsId(SYS_setfsgid, gid) && SetFsId(SYS_setfsuid, uid)) return true;
    answer_.Fails("taking the ids of who can change the way to");
    return false;
  }

  bool MakeRoom(bool binds) {
    const NameState state = LookAtName(folder_.base);
    if (state == NameState::kFree) return true;
    if (state == NameState::kStale) {
      if (!binds || unlink(folder_.base.c_str()) == 0) return true;
      answer_.Fails("unlink(2) of");
      return false;
    }
    answer_.there = NameOf(state).data();
    return false;
  }

  /// The file that bind(2) has made, whatever has its name by now.
  void SetFile(NameRecord* record, long entry) {
    const int file = ioctl(fd_, SIOCUNIXFILE, 0);
    if (file < 0) return answer_.Fails("ioctl(SIOCUNIXFILE) of");
    struct stat made = {}, there = {};
    if (fstat(file, &made) != 0) return answer_.Fails("fstat(2) of");
    record->Made(entry, made);
    if (fstatat(folder_.fd.get(), folder_.base.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0 ||
        !SameInode(made, there)) {
      errno = ESTALE;
      return answer_.Fails("the way was replaced meanwhile to");
    }
    if (!socket_.permissions) return;
    const FilePermissions& wanted = *socket_.permissions;
    const mode_t mode = wanted.mode & 07777;
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    if (chmod(link.c_str(), mode) != 0) return answer_.Fails("chmod(2) of");
    if (fchownat(file, "", wanted.uid, wanted.gid, AT_EMPTY_PATH) != 0) {
      return answer_.Fails("chown(2) of");
    }
    if ((mode & kClearedByChown) != 0 && chmod(link.c_str(), mode) != 0) {
      answer_.Fails("chmod(2) of");
    }
  }

  const UnixSocket& socket_;
  const int fd_;
  const Folder& folder_;
  Answer& answer_;
};

std::string OpenFolder(const std::string& path, Folder* folder) {
  const std::size_t last = path.rfind('/');
  const std::string way_there = last == 0 ? "/" : path.substr(0, last);
  const auto system = [](long number, auto... arguments) -> long {
    const long result = syscall(number, arguments...);
    return result < 0 ? -errno : result;
  };
  using Way = TrustedPath<decltype(system)>;
  Way way(system, Way::Foreign::kFollow);
  const long fd = way.Open(way_there.c_str(), O_DIRECTORY | O_CLOEXEC);
  errno = static_cast<int>(-fd);
  if (fd < 0) return ErrorText("the directory of its own name " + Printable(path));
  folder->fd.Reset(static_cast<int>(fd));
  folder->owner = way.owner();
  folder->base = path.substr(last + 1);
  return "";
}

}  // namespace

std::string BindPath(const UnixSocket& socket, int fd, bool binds, NameRecord* record) {
  const std::string path = socket.Path();
  const std::string name = "its own name " + path;
  if (socket.unlinked_name) {
    if (!binds) return "";
    return InOwnProcess(name, [&](Answer* answer) { BindUnlinked(socket, fd, answer); });
  }
  Folder folder;
  std::string problem = OpenFolder(path, &folder);
  if (!problem.empty()) return problem;
  const auto run = [&](bool now, long entry) {
    return InOwnProcess(
        name, [&](Answer* answer) { Binder(socket, fd, folder, answer).Run(now, record, entry); });
  };
  problem = run(false, -1);
  if (!problem.empty() || !binds) return problem;
  char real[PATH_MAX] = "";
  const std::string link = "/proc/self/fd/" + std::to_string(folder.fd.get());
  const ssize_t size = readlink(link.c_str(), real, sizeof real - 1);
  if (size < 0) return ErrorText("readlink of the directory of " + Printable(name));
  const std::string place(real, static_cast<std::size_t>(size));
  const long entry = record->Announce(place + "/", folder.base, std::nullopt, nullptr);
  if (entry < 0) return Printable(name) + ": its path is too long";
  return run(true, entry);
}

}  // namespace crgen::restorer
