// SPDX-License-Identifier: Apache-2.0
#include "restorer/unlinked_content.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dsl/references.h"
#include "restorer/cleanup.h"
#include "restorer/momentary_name.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

constexpr std::uint64_t kCopyAtOnce = 64 << 20;  ///< between two looks at who wants it to stop

/// Bytes of an image into the file; they stay in the kernel.
std::string Copy(const ContentRun& part, int image, int file) {
  auto from = static_cast<off_t>(part.source.offset), to = static_cast<off_t>(part.at);
  bool between_systems = false;
  for (std::uint64_t left = part.bytes; left != 0;) {
    if (AskedToStop()) return "interrupted";
    const std::uint64_t wanted = std::min(left, kCopyAtOnce);
    ssize_t copied = -1;
    if (!between_systems) {
      if (!FailsOnPurpose()) copied = copy_file_range(image, &from, file, &to, wanted, 0);
      between_systems = copied < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP ||
                                       errno == ENOSYS);
      if (between_systems) continue;
    } else if (lseek(file, to, SEEK_SET) == to) {
      copied = sendfile(file, image, &from, wanted);
      if (copied > 0) to += copied;
    }
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return std::strerror(errno);
    if (copied == 0) return "the image " + part.source.image + " ends";
    left -= static_cast<std::uint64_t>(copied);
  }
  return "";
}

timespec TimeOf(const TimeSpan& span) {
  return {static_cast<time_t>(span.sec), static_cast<long>(span.nsec)};
}

bool SetTimes(const FileTimes& times, const std::string& path) {
  const timespec both[2] = {TimeOf(times.access), TimeOf(times.modification)};
  return !FailsOnPurpose() && utimensat(AT_FDCWD, path.c_str(), both, 0) == 0;
}

/// Rounded down as file systems do.
bool IsRounded(const TimeSpan& wanted, const timespec& found) {
  if (found.tv_sec != TimeOf(wanted).tv_sec) return false;
  for (long unit = 1; unit <= 1'000'000'000; unit *= 10) {
    if (found.tv_nsec == TimeOf(wanted).tv_nsec / unit * unit) return true;
  }
  return false;
}

/// By now the tree may have made the mount read-only: nothing has changed them through it since
/// they were set first.
bool StillHasTimes(const FileTimes& times, const std::string& path) {
  if (errno != EROFS) return false;
  struct stat facts;
  const bool has = stat(path.c_str(), &facts) == 0 && IsRounded(times.access, facts.st_atim) &&
                   IsRounded(times.modification, facts.st_mtim);
  errno = EROFS;
  return has;
}

/// A folder may have handed on rights (acl(5), OBJECT CREATION AND DEFAULT ACLs), which no image
/// has. Where there are none, or none at all, nothing is to be done.
void DropInheritedAcls(const std::string& path) {
  for (const char* name : {"system.posix_acl_access", "system.posix_acl_default"}) {
    removexattr(path.c_str(), name);
  }
}

}  // namespace

std::string FillFile(const Unlinked& it, const HostFiles& files, const OutsideIds& ids, int file) {
  if (FailsOnPurpose() || ftruncate(file, static_cast<off_t>(*it.size)) != 0) {
    return std::strerror(errno);
  }
  for (const ContentRun& part : it.content) {
    const ScopedFd image(FailsOnPurpose() ? -1 : Reopen(files.image(part.source.image), O_RDONLY));
    if (image.get() < 0) return part.source.image + ": " + std::strerror(errno);
    if (std::string problem = Copy(part, image.get(), file); !problem.empty()) return problem;
  }
  DropInheritedAcls("/proc/self/fd/" + std::to_string(file));
  if (FailsOnPurpose() || fchown(file, ids.Uid(*it.uid), ids.Gid(*it.gid)) != 0 ||
      fchmod(file, *it.mode & 07777) != 0) {
    return std::strerror(errno);
  }
  const bool set = !it.times || SetTimes(*it.times, "/proc/self/fd/" + std::to_string(file));
  return set ? "" : std::strerror(errno);
}

std::string SetFacts(const Unlinked& it, const OutsideIds& ids, const std::string& held) {
  const std::string path = "/proc/self/fd/" + held;
  if (!S_ISLNK(*it.mode)) DropInheritedAcls(path);
  if (FailsOnPurpose() || chown(path.c_str(), ids.Uid(*it.uid), ids.Gid(*it.gid)) != 0 ||
      (!S_ISLNK(*it.mode) && chmod(path.c_str(), *it.mode & 07777) != 0)) {
    return std::strerror(errno);
  }
  return !it.times || SetTimes(*it.times, path) ? "" : std::strerror(errno);
}

std::string SetTimes(const Program& program, const std::map<UnlinkedId, std::string>& held) {
  std::string problem;
  const auto set = [&](const File& file) {
    const auto name = UnlinkedOf(file);
    if (!name || !name->file->times || !problem.empty()) return;
    const std::string path = "/proc/self/fd/" + held.at(name->file->id);
    if (!SetTimes(*name->file->times, path) && !StillHasTimes(*name->file->times, path)) {
      problem = "the times of the unlinked file " + name->path->bytes + ": " + std::strerror(errno);
    }
  };
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open != nullptr) ForEachOpened(*open, [&](Fd, const File& file, bool) { set(file); });
  }
  return problem;
}

}  // namespace crgen::restorer
