// SPDX-License-Identifier: Apache-2.0
#include "preflight/file_look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "preflight/doing.h"

namespace crgen::preflight {

template <typename Open>
void FileLook::Find(const std::string& name, Facts* facts, Open&& open) {
  facts->name = name;
  const auto text = host_.Text(FactKind::kFiles, name, [&] {
    const Doing doing("looking at it", name);
    facts->fd = open();
    return StatusOf(facts->fd, errno).Text();
  });
  if (text) facts->status = FileStatus::Of(*text);
}

const Facts& FileLook::Look(const std::string& path, bool link) {
  if (host_.IsHereAlone() && IsInMissingFolder(path)) return missing_;
  const auto [known, fresh] = (link ? links_ : files_).try_emplace(path);
  Facts& facts = known->second;
  if (!fresh) return facts;
  Find(link ? path + ", a link itself" : path, &facts, [&] {
    const int fd = OpenAt(path, link);
    if (fd >= 0) link ? held_.HoldLink(path, fd) : held_.HoldFile(path, fd);
    return fd;
  });
  return facts;
}

bool FileLook::IsInMissingFolder(const std::string& path) const {
  const auto known = folders_.find(path.substr(0, path.rfind('/') + 1));
  return known != folders_.end() && !known->second;
}

/// Where a folder is missing, all that was in it is, and is not looked for one by one.
int FileLook::OpenAt(const std::string& path, bool link) {
  if (IsInMissingFolder(path)) {
    errno = ENOENT;
    return -1;
  }
  const int fd = root_.Open(path, link ? O_NOFOLLOW : 0);
  if (fd >= 0 || errno != ENOENT) return fd;
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  if (folder.size() <= 1 || folders_.contains(folder)) return fd;
  const int parent = root_.Open(folder, 0);
  folders_[folder] = parent >= 0 || errno != ENOENT;
  if (parent >= 0) close(parent);
  errno = ENOENT;
  return fd;
}

const Facts& FileLook::LookAtSocketFolder(const std::string& path) {
  if (!root_.IsOwn()) return Look(path, false);
  const auto [known, fresh] = socket_folders_.try_emplace(path);
  Facts& facts = known->second;
  if (!fresh) return facts;
  const std::string name = "folder of sockets " + path;
  Find(name, &facts, [&] {
    const int fd = OpenPath(AT_FDCWD, path, 0, 0);
    if (fd >= 0) held_.HoldFile(name, fd);
    return fd;
  });
  return facts;
}

int FileLook::AccessError(const Facts& facts, int access) {
  std::optional<std::uint8_t>& known = facts.access_errors[static_cast<std::size_t>(access)];
  if (known) return *known;
  const char* use = access == R_OK   ? ", reading"
                    : access == W_OK ? ", writing"
                    : access == X_OK ? ", execution"
                                     : ", making files in it";
  const auto error = host_.Number(FactKind::kAccess, facts.name + use, [&] {
    const Doing doing("looking at it", facts.name);
    const long result = syscall(SYS_faccessat2, facts.fd, "", access, AT_EMPTY_PATH | AT_EACCESS);
    return result == 0 ? 0 : errno;
  });
  known = static_cast<std::uint8_t>(error.value_or(0));
  return *known;
}

std::uint64_t FileLook::MountFlags(const Facts& facts) {
  const auto flags = host_.Number(FactKind::kFileSystems, facts.name + ", flags", [&] {
    const Doing doing("looking at it", facts.name);
    struct statvfs mount = {};
    return fstatvfs(facts.fd, &mount) == 0 ? mount.f_flag : 0;
  });
  return flags.value_or(0);
}

std::uint64_t FileLook::FreeBytes(const Facts& facts) {
  constexpr std::uint64_t kNotKnown = ~std::uint64_t{0};
  const auto bytes = host_.Number(FactKind::kFileSystems, facts.name + ", free bytes", [&] {
    const Doing doing("looking at it", facts.name);
    struct statvfs system = {};
    if (fstatvfs(facts.fd, &system) != 0) return kNotKnown;
    const std::uint64_t blocks = geteuid() == 0 ? system.f_bfree : system.f_bavail;
    return blocks * system.f_frsize;
  });
  return bytes.value_or(kNotKnown);
}

std::uint64_t FileLook::FreeFiles(const Facts& facts) {
  constexpr std::uint64_t kAny = ~std::uint64_t{0};
  const auto files = host_.Number(FactKind::kFileSystems, facts.name + ", free files", [&] {
    const Doing doing("looking at it", facts.name);
    struct statvfs system = {};
    if (fstatvfs(facts.fd, &system) != 0 || system.f_files == 0) return kAny;
    return std::uint64_t{geteuid() == 0 ? system.f_ffree : system.f_favail};
  });
  return files.value_or(kAny);
}

int FileLook::SeekError(const Facts& facts, std::uint64_t position) {
  constexpr std::uint64_t kEverywhere = 0x7fffffff;  // MAX_NON_LFS
  const bool folder = S_ISDIR(facts.status.mode);
  if (!facts.there() || position <= kEverywhere || (!folder && position <= facts.status.size)) {
    return 0;
  }
  const std::string name =
      facts.name + (folder ? ", position in a file " : ", position ") + std::to_string(position);
  const auto error = host_.Number(FactKind::kFileSystems, name, [&] {
    const Doing doing("looking at it", facts.name);
    const int fd = folder ? open(("/proc/self/fd/" + std::to_string(facts.fd)).c_str(),
                                 O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)
                          : Reopen(facts.fd, O_RDONLY);
    if (fd < 0) return 0;
    const off_t to = static_cast<off_t>(position);
    const int refused = lseek(fd, to, SEEK_SET) == to ? 0 : errno;
    close(fd);
    return refused;
  });
  return static_cast<int>(error.value_or(0));
}

}  // namespace crgen::preflight
