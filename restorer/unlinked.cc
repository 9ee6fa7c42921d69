// SPDX-License-Identifier: Apache-2.0
#include "restorer/unlinked.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "dsl/references.h"
#include "model/printable.h"
#include "restorer/cleanup.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"

namespace crgen::restorer {
namespace {

constexpr std::uint64_t kCopyAtOnce = 64 << 20;  ///< between two looks at who wants it to stop

class ScopedFd {
 public:
  explicit ScopedFd(int fd = -1) : fd_(fd) {}
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  ScopedFd(ScopedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~ScopedFd() {
    const int error = errno;
    if (fd_ >= 0) close(fd_);
    errno = error;
  }
  int get() const { return fd_; }
  void Reset(int fd) { const ScopedFd before(std::exchange(fd_, fd)); }

 private:
  int fd_;
};

/// The folder of a path, and the name in it.
struct Place {
  Place(const TreePaths& paths, const std::string& path)
      : name(path.substr(path.rfind('/') + 1)),
        folder(paths.Open(path.substr(0, path.rfind('/') + 1), O_DIRECTORY)) {}
  std::string name;
  ScopedFd folder;
};

bool Same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// A name for the moment: whatever happens, it is removed, if it is still that file's. Whoever may
/// write in its folder can rename it meanwhile: then the file still has one.
class MomentaryName {
 public:
  MomentaryName(const Place& place, const struct stat& file) : place_(place), file_(file) {}
  MomentaryName(const MomentaryName&) = delete;
  MomentaryName& operator=(const MomentaryName&) = delete;
  ~MomentaryName() {
    const int error = errno;
    Remove();
    errno = error;
  }
  bool Remove() {
    struct stat now;
    removed_ = removed_ ||
               fstatat(place_.folder.get(), place_.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0 ||
               !Same(now, file_) ||  // it is not there any more
               (!FailsOnPurpose() && unlinkat(place_.folder.get(), place_.name.c_str(), 0) == 0);
    return removed_;
  }

 private:
  const Place& place_;
  const struct stat file_;
  bool removed_ = false;
};

/// Bytes of an image into the file; they stay in the kernel.
std::string Copy(const ContentRun& part, int image, int file) {
  auto from = static_cast<off_t>(part.source.offset), to = static_cast<off_t>(part.at);
  bool between_systems = false;
  for (std::uint64_t left = part.bytes; left != 0;) {
    if (AskedToStop()) return "interrupted";
    const std::uint64_t wanted = std::min(left, kCopyAtOnce);
    ssize_t copied = -1;
    if (!between_systems) {
      copied = copy_file_range(image, &from, file, &to, wanted, 0);
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

std::string Fill(const Unlinked& it, const Services& services, int file) {
  if (FailsOnPurpose() || ftruncate(file, static_cast<off_t>(*it.size)) != 0) {
    return std::strerror(errno);
  }
  for (const ContentRun& part : it.content) {
    const ScopedFd image(Reopen(services.files->image(part.source.image), O_RDONLY));
    if (image.get() < 0) return part.source.image + ": " + std::strerror(errno);
    if (std::string problem = Copy(part, image.get(), file); !problem.empty()) return problem;
  }
  const auto time = [](const TimeSpan& span) {
    return timespec{static_cast<time_t>(span.sec), static_cast<long>(span.nsec)};
  };
  if (FailsOnPurpose() || fchown(file, *it.uid, *it.gid) != 0 ||
      fchmod(file, *it.mode & 07777) != 0) {
    return std::strerror(errno);
  }
  if (!it.times) return "";
  const timespec times[2] = {time(it.times->access), time(it.times->modification)};
  return futimens(file, times) != 0 ? std::strerror(errno) : "";
}

/// Whether nobody has kept a name of the moment.
std::string CheckLinks(int file, nlink_t links, const std::string& path) {
  struct stat now;
  if (fstat(file, &now) != 0) return path + ": " + std::strerror(errno);
  if (now.st_nlink == links) return "";
  return path + ": the file has " + std::to_string(now.st_nlink) + " names instead of " +
         std::to_string(links) + ": who may write in its folder has kept one";
}

/// One name of the file: made, opened with O_PATH, and taken away again. Names of one file exist at
/// the same time: the kernel gives none to a file that has lost its last one.
struct Name {
  Name(UnlinkedId name_id, const std::string& name_path) : id(name_id), path(name_path) {}
  UnlinkedId id;
  std::string path;
  std::unique_ptr<Place> place;
  std::unique_ptr<MomentaryName> momentary;
};

/// An empty file under its names, which are taken away before anything is in it; in `*file` it is
/// open for writing. Not O_TMPFILE: not every file system has it.
std::string Create(std::vector<Name>& names, Services* services, ScopedFd* file) {
  struct stat facts;
  for (Name& name : names) {
    const auto failed = [&] { return name.path + ": " + PathErrorText(errno); };
    name.place = std::make_unique<Place>(services->paths, name.path);
    const int folder = name.place->folder.get();
    if (folder < 0) return failed();
    const char* base = name.place->name.c_str();
    if (&name == &names.front()) {
      constexpr int kNew = O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC;
      file->Reset(FailsOnPurpose() ? -1 : openat(folder, base, kNew, 0600));
      if (file->get() < 0) return failed();
      if (fstat(file->get(), &facts) != 0) {
        std::string problem = failed();
        unlinkat(folder, base, 0);
        return problem;
      }
    } else {
      const Place& first = *names.front().place;
      if (FailsOnPurpose() ||
          linkat(first.folder.get(), first.name.c_str(), folder, base, 0) != 0) {
        return failed();
      }
    }
    name.momentary = std::make_unique<MomentaryName>(*name.place, facts);
    const int held = FailsOnPurpose() ? -1 : openat(folder, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat opened;
    if (held < 0 || fstat(held, &opened) != 0) return failed();
    services->unlinked[name.id] = std::to_string(held);
    if (!Same(opened, facts)) return name.path + ": replaced as it was made";
  }
  for (Name& name : names) {
    if (!name.momentary->Remove()) return name.path + ": " + std::strerror(errno);
  }
  return CheckLinks(file->get(), 0, names.front().path);
}

std::string MakeFile(const Unlinked& it, std::vector<Name>& names, Services* services) {
  ScopedFd file;
  std::string problem = Create(names, services, &file);
  if (problem.empty()) problem = Fill(it, *services, file.get());
  return problem.empty() ? "" : "the unlinked file " + names.front().path + ": " + problem;
}

/// Under the old name, which is free, for the moment.
std::string OpenLink(const RegularFile& file, Services* services) {
  const std::string& from = file.opened_by->bytes;
  const std::string key = LinkKey(file);
  if (services->linked.contains(key)) return "";
  const Place link(services->paths, from), place(services->paths, file.path.bytes);
  struct stat facts;
  if (link.folder.get() < 0 || place.folder.get() < 0 ||
      fstatat(link.folder.get(), link.name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    return from + ": " + PathErrorText(errno);
  }
  if (!S_ISREG(facts.st_mode)) return from + " is not a regular file";
  if (FailsOnPurpose() || linkat(link.folder.get(), link.name.c_str(), place.folder.get(),
                                 place.name.c_str(), 0) != 0) {
    return file.path.bytes + ": " + std::strerror(errno);
  }
  MomentaryName momentary(place, facts);
  const int held = FailsOnPurpose() ? -1
                                    : openat(place.folder.get(), place.name.c_str(),
                                             O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat opened;
  if (held < 0 || fstat(held, &opened) != 0) {
    return file.path.bytes + ": " + std::strerror(errno);
  }
  services->linked[key] = std::to_string(held);
  if (!Same(opened, facts)) return from + ": replaced as it was opened";
  services->links.push_back({from, facts.st_dev, facts.st_ino});
  if (!momentary.Remove()) return file.path.bytes + ": " + std::strerror(errno);
  return CheckLinks(held, facts.st_nlink, file.path.bytes);
}

}  // namespace

std::string MakeUnlinked(const Program& program, Services* services) {
  std::map<std::uint64_t, std::pair<const Unlinked*, std::vector<Name>>> files;
  std::set<UnlinkedId> known;
  std::string problem;
  for (const Command& command : program) {
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open == nullptr) continue;
    ForEachOpened(*open, [&](Fd, const File& file, bool) {
      const RegularFile* regular = AsRegular(file);
      if (regular == nullptr || !problem.empty()) return;
      if (regular->opened_by) problem = OpenLink(*regular, services);
      if (!regular->unlinked || !known.insert(regular->unlinked->id).second) return;
      const Unlinked& it = *regular->unlinked;
      auto& [created, names] = files[it.link_of.value_or(it.id.value)];
      if (!it.link_of) created = &it;
      names.emplace_back(it.id, regular->path.bytes);
    });
  }
  for (auto& [id, file] : files) {
    if (problem.empty()) problem = MakeFile(*file.first, file.second, services);
  }
  return problem;
}

void RemoveLinks(const std::vector<DumpersLink>& links, const TreePaths& paths) {
  for (const DumpersLink& it : links) {
    const Place place(paths, it.path);
    struct stat now;
    const bool there =
        place.folder.get() >= 0 &&
        fstatat(place.folder.get(), place.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        now.st_dev == it.device && now.st_ino == it.inode;
    if (there && unlinkat(place.folder.get(), place.name.c_str(), 0) == 0) continue;
    std::fprintf(stderr, "crrestore: warning: %s: the dumper's hard link is not removed: %s\n",
                 Printable(it.path).c_str(),
                 there ? std::strerror(errno) : "it is another file now");
  }
}

}  // namespace crgen::restorer
