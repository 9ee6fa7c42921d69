// SPDX-License-Identifier: Apache-2.0
#include "restorer/unlinked.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "dsl/references.h"
#include "model/printable.h"
#include "preflight/held_mounts.h"
#include "restorer/momentary_name.h"
#include "restorer/problem.h"
#include "restorer/supervisor_calls.h"
#include "restorer/unlinked_content.h"
#include "restorer/wanted_files.h"

namespace crgen::restorer {
namespace {

/// Whether nobody has kept a name of the moment.
std::string CheckLinks(int file, nlink_t links, const std::string& path) {
  struct stat now;
  if (fstat(file, &now) != 0) return path + ": " + std::strerror(errno);
  if (now.st_nlink == links) return "";
  return path + ": the file has " + std::to_string(now.st_nlink) + " names instead of " +
         std::to_string(links) + ": who may write in its folder has kept one";
}

/// As open(2) takes them, without waiting for anybody; F_SETFL gives it those that it had.
int OpeningFlags(OpenFlags flags) {
  const int own = static_cast<int>(flags.bits) & ~O_ASYNC;
  return own | O_CLOEXEC | ((own & O_PATH) != 0 ? 0 : O_NONBLOCK | O_NOCTTY);
}

/// -1: errno says why.
int OpenOwn(int folder, const char* name, OpenFlags flags) {
  const int fd = FailsOnPurpose() ? -1 : openat(folder, name, OpeningFlags(flags), 0600);
  if (fd < 0 || flags.Has(O_PATH)) return fd;
  if (fcntl(fd, F_SETFL, static_cast<int>(flags.bits)) == 0) return fd;
  const ScopedFd closes(fd);
  return -1;
}

/// A folder that is there for the moment, because something is to be made in it, or because it is
/// one that has no name itself.
struct Folder {
  explicit Folder(std::unique_ptr<Place> where) : place(std::move(where)) {}
  std::string Path() const {
    return place->path + (place->path.ends_with('/') ? "" : "/") + place->name;
  }
  std::unique_ptr<Place> place;
  ScopedFd held;
  std::unique_ptr<MomentaryName> momentary = nullptr;
};

/// Makes them; each function gives the problem, or nothing.
class Maker {
 public:
  Maker(const Program& program, Services* services) : services_(*services) {
    for (const Command& command : program) {
      ForEachSource(command.body, [&](const ImageSpan& it, std::uint64_t) { ++runs_[it.image]; });
    }
  }
  ~Maker() {
    while (!folders_.empty()) folders_.pop_back();
  }
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;

  std::string MakeDirectory(UnlinkedFile& file);
  std::string MakeFile(UnlinkedFile& file);
  std::string OpenLink(const LinkedFile& linked);
  /// When nothing is to be made in them any more.
  std::string RemoveFolders();
  std::string FinishDirectory(const UnlinkedFile& file) const;

 private:
  std::string FindPlace(FileName& name);
  std::string MakeParents(const std::string& path, const TreePaths& paths);
  std::string MakeFolder(const std::string& path, std::unique_ptr<Place> place);
  std::string MakeTemporary(FileName& name, ScopedFd* file);
  std::string MakeFirst(const Unlinked& it, FileName& name, ScopedFd* file, struct stat* facts);
  std::string Link(const FileName& first, FileName& name);
  int LinkInBase(const FileName& first, const FileName& name, const char* base) const;
  std::string Hold(FileName& name, const struct stat& facts);
  std::string Create(UnlinkedFile& file, ScopedFd* opened);
  void Keep(const FileName& name, int held) { services_.unlinked[name.id] = std::to_string(held); }
  int HeldOf(const FileName& name) const { return std::stoi(services_.unlinked.at(name.id)); }

  Services& services_;
  std::map<std::string, std::uint64_t> runs_;  ///< of bytes still wanted, by image
  std::set<std::pair<std::optional<std::uint64_t>, std::string>>
      links_;                                     ///< one may be of several paths
  std::vector<std::unique_ptr<Folder>> folders_;  ///< those inside others behind them
  /// By the namespace and path that leads to them no more.
  std::map<std::pair<std::optional<std::uint64_t>, std::string>, const Folder*> by_path_;
};

std::string Failed(const std::string& path) { return path + ": " + PathErrorText(errno); }

/// Whether nothing has the path of a folder, or what is none.
bool IsGone(int error) { return error == ENOENT || error == ENOTDIR; }

std::string Maker::FindPlace(FileName& name) {
  const TreePaths paths = services_.paths.Of(name.mount);
  name.place = std::make_unique<Place>(paths, name.path, services_.names);
  if (name.place->folder.get() >= 0) return "";
  if (!IsGone(errno)) return Failed(name.path);
  const std::string folder = name.path.substr(0, name.path.rfind('/'));
  if (std::string problem = MakeParents(folder, paths); !problem.empty()) return problem;
  const Folder& made = *by_path_.at({paths.in(), folder});
  const int in = fcntl(made.held.get(), F_DUPFD_CLOEXEC, 0);
  name.place = std::make_unique<Place>(name.path.substr(folder.size() + 1), in, made.Path(),
                                       paths.in(), services_.names);
  return in < 0 ? Failed(name.path) : "";
}

/// `path` is a folder that has gone as well: it is one that is held, or nobody has it open.
std::string Maker::MakeParents(const std::string& path, const TreePaths& paths) {
  const auto known = [&](const std::string& at) { return by_path_.contains({paths.in(), at}); };
  std::vector<std::string> missing;
  int in = -1;
  std::string folder = path;
  for (; in < 0 && !known(folder); folder.resize(folder.rfind('/'))) {
    missing.push_back(folder);
    const std::string above = folder.substr(0, folder.rfind('/'));
    if (known(above)) continue;
    in = paths.Open(above + '/', O_DIRECTORY);
    if (in < 0 && (above.empty() || !IsGone(errno))) return Failed(path);
  }
  for (; !missing.empty(); missing.pop_back()) {
    const std::string& next = missing.back();
    const std::size_t end = next.rfind('/');
    std::string above = next.substr(0, end + 1);
    if (in < 0) {
      const Folder& made = *by_path_.at({paths.in(), next.substr(0, end)});
      in = fcntl(made.held.get(), F_DUPFD_CLOEXEC, 0);
      above = made.Path();
    }
    auto place = std::make_unique<Place>(next.substr(end + 1), std::exchange(in, -1),
                                         std::move(above), paths.in(), services_.names);
    if (place->folder.get() < 0) return Failed(next);
    if (std::string problem = MakeFolder(next, std::move(place)); !problem.empty()) return problem;
  }
  return "";
}

/// Makes it at `place`, and holds it. In a folder that others may write in it could have been
/// replaced: by nothing but what root has made, and then it goes as what was made would.
std::string Maker::MakeFolder(const std::string& path, std::unique_ptr<Place> place) {
  const int made = MakeUnderFreeName(path, place.get(), [&](const char* base) {
    return FailsOnPurpose() ? -1 : mkdirat(place->folder.get(), base, 0700);
  });
  if (made < 0) return Failed(path);
  auto folder = std::make_unique<Folder>(std::move(place));
  const Place& at = *folder->place;
  struct stat facts;
  constexpr int kHow = O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC;
  folder->held.Reset(FailsOnPurpose() ? -1 : openat(at.folder.get(), at.name.c_str(), kHow));
  if (folder->held.get() < 0 || fstat(folder->held.get(), &facts) != 0) {
    std::string problem = Failed(path);
    unlinkat(at.folder.get(), at.name.c_str(), AT_REMOVEDIR);
    return problem;
  }
  if (facts.st_uid != geteuid()) return path + ": replaced as it was made";
  folder->momentary = std::make_unique<MomentaryName>(at, facts);
  by_path_.try_emplace({at.mnt, path}, folder.get());
  folders_.push_back(std::move(folder));
  return "";
}

std::string Maker::MakeDirectory(UnlinkedFile& file) {
  FileName& name = file.names.front();
  std::string problem = FindPlace(name);
  if (!problem.empty()) return problem;
  problem = MakeFolder(name.path, std::move(name.place));
  if (!problem.empty()) return problem;
  const Folder& folder = *folders_.back();
  const int held = fcntl(folder.held.get(), F_DUPFD_CLOEXEC, 0);
  if (held < 0) return Failed(name.path);
  Keep(name, held);
  for (const OwnDescription& it : name.own) {
    const int fd = OpenOwn(folder.place->folder.get(), folder.place->name.c_str(), it.flags);
    if (fd < 0) return Failed(name.path);
    services_.made[it.id] = fd;
    struct stat facts, opened;
    if (fstat(held, &facts) != 0 || fstat(fd, &opened) != 0) return Failed(name.path);
    if (!SameInode(facts, opened)) return name.path + ": replaced as it was made";
  }
  return "";
}

std::string Maker::RemoveFolders() {
  while (!folders_.empty()) {
    const Folder& last = *folders_.back();
    if (!last.momentary->Remove()) return last.place->name + ": " + std::strerror(errno);
    folders_.pop_back();
  }
  return "";
}

std::string Maker::FinishDirectory(const UnlinkedFile& file) const {
  const FileName& name = file.names.front();
  std::string problem = CheckLinks(HeldOf(name), 0, name.path);
  if (problem.empty()) problem = SetFacts(*file.it, services_.ids, services_.unlinked.at(name.id));
  return problem;
}

/// Without any name from the beginning on.
std::string Maker::MakeTemporary(FileName& name, ScopedFd* file) {
  for (const OwnDescription& it : name.own) {
    if (!it.flags.Has(O_TMPFILE)) continue;
    const int fd = OpenOwn(name.place->folder.get(), ".", it.flags);
    if (fd < 0) return Failed(name.path + ", with O_TMPFILE");
    services_.made[it.id] = fd;
    const int held = Reopen(fd, O_PATH);
    if (held < 0) return Failed(name.path);
    Keep(name, held);
    file->Reset(Reopen(held, O_RDWR));
    return file->get() < 0 ? Failed(name.path) : "";
  }
  return "";
}

/// What `facts` has, where nobody can have put anything else.
std::string Maker::MakeFirst(const Unlinked& it, FileName& name, ScopedFd* file,
                             struct stat* facts) {
  Place& place = *name.place;
  const int folder = place.folder.get();
  const mode_t type = *it.mode & S_IFMT;
  const int made = MakeUnderFreeName(name.path, &place, [&](const char* base) {
    if (FailsOnPurpose()) return -1;
    if (type == S_IFREG)
      return openat(folder, base, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600);
    if (type == S_IFLNK) return symlinkat(it.target->bytes.c_str(), folder, base);
    return mknodat(folder, base, type | 0600, it.rdev.value_or(0));
  });
  if (made < 0) return Failed(name.path);
  if (type == S_IFREG) file->Reset(made);
  const bool known = type == S_IFREG
                         ? fstat(made, facts) == 0
                         : fstatat(folder, place.name.c_str(), facts, AT_SYMLINK_NOFOLLOW) == 0;
  if (!known) {
    std::string problem = Failed(name.path);
    unlinkat(folder, place.name.c_str(), 0);
    return problem;
  }
  if (type == S_IFREG || ((facts->st_mode & S_IFMT) == type && facts->st_uid == geteuid() &&
                          facts->st_rdev == it.rdev.value_or(0))) {
    return "";
  }
  return name.path + ": replaced as it was made";
}

std::string Maker::Link(const FileName& first, FileName& name) {
  const std::string path = "/proc/self/fd/" + services_.unlinked.at(first.id);
  Place& place = *name.place;
  const int made = MakeUnderFreeName(name.path, &place, [&](const char* base) {
    if (FailsOnPurpose()) return -1;
    if (linkat(AT_FDCWD, path.c_str(), place.folder.get(), base, AT_SYMLINK_FOLLOW) == 0) return 0;
    return errno == EXDEV && !services_.paths.IsOwn() ? LinkInBase(first, name, base) : -1;
  });
  return made < 0 ? Failed(name.path) : "";
}

/// Names of one file in several mounts of its file system: both by way of the same one.
int Maker::LinkInBase(const FileName& first, const FileName& name, const char* base) const {
  const auto folder_of = [&](const FileName& it) {
    const std::string folder = it.path.substr(0, std::max<std::size_t>(it.path.rfind('/'), 1));
    return services_.paths.Of(it.mount).OpenInBase(folder, O_DIRECTORY);
  };
  const ScopedFd from(folder_of(first)), to(folder_of(name));
  if (from.get() < 0 || to.get() < 0) return -1;
  struct stat there, made;
  if (fstatat(from.get(), first.place->name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0 ||
      fstat(HeldOf(first), &made) != 0) {
    return -1;
  }
  if (!SameInode(there, made)) {
    errno = EXDEV;
    return -1;
  }
  return linkat(from.get(), first.place->name.c_str(), to.get(), base, 0);
}

/// What is needed of a name while it is there.
std::string Maker::Hold(FileName& name, const struct stat& facts) {
  const int folder = name.place->folder.get();
  const char* base = name.place->name.c_str();
  name.momentary = std::make_unique<MomentaryName>(*name.place, facts);
  const auto is_file = [&](int fd) {
    struct stat opened;
    return fstat(fd, &opened) == 0 && SameInode(opened, facts);
  };
  const int held = FailsOnPurpose() ? -1 : openat(folder, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (held < 0) return Failed(name.path);
  Keep(name, held);
  bool same = is_file(held);
  for (const OwnDescription& it : name.own) {
    const int fd = OpenOwn(folder, base, it.flags);
    if (fd < 0) return Failed(name.path);
    services_.made[it.id] = fd;
    same = same && is_file(fd);
  }
  return same ? "" : name.path + ": replaced as it was made";
}

/// An empty file under its names, which are taken away before anything is in it; in `*opened` a
/// regular one is open for writing. O_TMPFILE only where it is asked for: not every file system has
/// it.
std::string Maker::Create(UnlinkedFile& file, ScopedFd* opened) {
  std::stable_partition(file.names.begin(), file.names.end(), IsTemporary);
  struct stat facts = {};
  std::string problem;
  FileName& first = file.names.front();
  for (FileName& name : file.names) {
    if (problem.empty()) problem = FindPlace(name);
    if (!problem.empty()) return problem;
    const bool is_first = &name == &first;
    if (is_first && IsTemporary(name)) {
      problem = MakeTemporary(name, opened);
      if (problem.empty() && fstat(opened->get(), &facts) != 0) problem = Failed(name.path);
      continue;
    }
    problem = is_first ? MakeFirst(*file.it, name, opened, &facts) : Link(first, name);
    if (problem.empty()) problem = Hold(name, facts);
  }
  if (!problem.empty()) return problem;
  for (FileName& name : file.names) {
    if (name.momentary != nullptr && !name.momentary->Remove()) return Failed(name.path);
  }
  return CheckLinks(HeldOf(first), 0, first.path);
}

std::string Maker::MakeFile(UnlinkedFile& file) {
  ScopedFd opened;
  std::string problem = Create(file, &opened);
  if (problem.empty() && S_ISREG(*file.it->mode)) {
    problem = FillFile(*file.it, *services_.files, services_.ids, opened.get());
  } else if (problem.empty()) {
    problem = SetFacts(*file.it, services_.ids, services_.unlinked.at(file.names.front().id));
  }
  for (FileName& name : file.names) {  // of many files, descriptors of their folders
    name.momentary.reset();
    name.place.reset();
  }
  for (const ContentRun& part : file.it->content) {  // and of their images
    if (--runs_[part.source.image] == 0) services_.files->CloseImage(part.source.image);
  }
  return problem;
}

/// Under the old name for the moment, or another one.
std::string Maker::OpenLink(const LinkedFile& linked) {
  const std::string& from = linked.link->bytes;
  const Place link(services_.paths.Of(linked.mount), from);
  FileName name({}, linked.path->bytes, linked.mount);
  if (std::string problem = FindPlace(name); !problem.empty()) return problem;
  Place& place = *name.place;
  struct stat facts;
  if (link.folder.get() < 0 ||
      fstatat(link.folder.get(), link.name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(from);
  }
  if (S_ISDIR(facts.st_mode)) return from + " is a directory";
  const int made = MakeUnderFreeName(
      name.path, &place,
      [&](const char* base) {
        return FailsOnPurpose()
                   ? -1
                   : linkat(link.folder.get(), link.name.c_str(), place.folder.get(), base, 0);
      },
      &facts);
  if (made < 0) return name.path + ": " + std::strerror(errno);
  MomentaryName momentary(place, facts);
  const auto open = [&](OpenFlags flags) {
    return OpenOwn(place.folder.get(), place.name.c_str(), flags);
  };
  const int held = open({O_PATH | O_NOFOLLOW});
  struct stat opened;
  if (held < 0 || fstat(held, &opened) != 0) return name.path + ": " + std::strerror(errno);
  services_.linked[LinkKey(*linked.path, *linked.link, linked.mount)] = std::to_string(held);
  if (!SameInode(opened, facts)) return from + ": replaced as it was opened";
  for (const OwnDescription& it : linked.own) {
    const int fd = open(it.flags);
    if (fd < 0 || fstat(fd, &opened) != 0) return name.path + ": " + std::strerror(errno);
    services_.made[it.id] = fd;
    if (!SameInode(opened, facts)) return from + ": replaced as it was opened";
  }
  if (links_.emplace(link.mnt, from).second) {
    services_.links.push_back({from, link.mnt, facts.st_dev, facts.st_ino});
  }
  if (!momentary.Remove()) return name.path + ": " + std::strerror(errno);
  return CheckLinks(held, facts.st_nlink, name.path);
}

}  // namespace

std::string MakeUnlinked(const Program& program, Services* services) {
  WantedFiles wanted(program);
  std::string problem;
  std::multimap<std::string, UnlinkedFile*> directories;  // what is inside comes behind
  for (auto& [id, file] : wanted.files) {
    if (S_ISDIR(*file.it->mode)) directories.emplace(file.names.front().path, &file);
  }
  Maker maker(program, services);
  const auto run = [&](const UnlinkedFile& file, auto&& step) {
    if (!problem.empty()) return;
    problem = step();
    if (!problem.empty()) problem = "the unlinked file " + file.names.front().path + ": " + problem;
  };
  for (auto& [path, file] : directories)
    run(*file, [&maker, file = file] { return maker.MakeDirectory(*file); });
  std::map<std::string, std::size_t> still_wanted;  // by the link's own name
  for (const auto& [key, link] : wanted.links) ++still_wanted[link.link->bytes];
  for (const auto& [key, link] : wanted.links) {
    if (problem.empty()) problem = maker.OpenLink(link);
    // What preflight holds of it is of no more use.
    const std::string& from = link.link->bytes;
    if (--still_wanted[from] == 0 && !wanted.named.contains(from)) services->files->CloseFile(from);
  }
  for (auto& [id, file] : wanted.files) {
    if (!S_ISDIR(*file.it->mode))
      run(file, [&maker, &file = file] { return maker.MakeFile(file); });
  }
  if (problem.empty()) problem = maker.RemoveFolders();
  for (auto& [path, file] : directories)
    run(*file, [&maker, file = file] { return maker.FinishDirectory(*file); });
  return problem;
}

}  // namespace crgen::restorer
