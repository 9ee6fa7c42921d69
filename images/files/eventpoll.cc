// SPDX-License-Identifier: Apache-2.0
#include "images/files/eventpoll.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "model/one_of.h"

namespace crgen {
namespace {

constexpr std::uint64_t kAlways = EPOLLERR | EPOLLHUP;

/// What no epoll_ctl(2) leaves behind.
void CheckEvents(std::uint32_t events, const Place& at) {
  constexpr std::uint64_t kWithExclusive =
      EPOLLIN | EPOLLOUT | kAlways | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
  const bool fired = EpollTarget{0, {events}, {}}.HasFired();
  if (!fired && (events & kAlways) != kAlways) {
    at.Error(".events", HexText(events) + " lacks EPOLLERR or EPOLLHUP, which the kernel adds");
  }
  if ((events & EPOLLEXCLUSIVE) != 0 && (events & ~kWithExclusive) != 0) {
    at.Error(".events", HexText(events) + ": what EPOLLEXCLUSIVE does not go with");
  }
}

/// The first process with each file; none: nobody.
std::vector<ProcessIndex> FirstHolders(const Snapshot& snapshot) {
  std::vector<ProcessIndex> first(snapshot.files.size());
  std::vector<bool> seen(snapshot.tables.size());
  for (std::size_t p = 0; p < snapshot.processes.size(); ++p) {
    const TableIndex table = snapshot.processes[p].table;
    if (table < 0 || seen[table]) continue;
    seen[table] = true;
    for (const Descriptor& slot : snapshot.tables[table].slots) {
      if (first[slot.file] < 0) first[slot.file] = ProcessIndex(p);
    }
  }
  return first;
}

struct Resolved {
  EpollTarget target;
  FileIndex file;
  int index;  ///< in the image
};

/// What epoll_ctl(2) takes. Files on disks cannot, those of proc(5) and sysfs(5) may. No image
/// tells who is on FUSE.
bool CanBePolled(const File& file, const RegularFile& regular) {
  const std::uint32_t mode = regular.mode.value_or(S_IFREG);
  const std::string& path = regular.path.bytes;
  const bool of_kernel = path.starts_with("/proc/") || path.starts_with("/sys/");
  return !file.flags.Has(O_PATH) && !S_ISDIR(mode) && (!S_ISREG(mode) || of_kernel);
}
template <OneOf<Memfd, NamespaceFile> Body>
bool CanBePolled(const File&, const Body&) {
  return false;
}
template <
    OneOf<Eventfd, Signalfd, Timerfd, Eventpoll, Inotify, Fanotify, Pidfd, Pipe, Fifo, UnixSocket,
          InetSocket, NetlinkSocket, PacketSocket, Tty, TunFile, BpfMap, OtherFile>
        Body>
bool CanBePolled(const File&, const Body&) {
  return true;
}
bool CanBePolled(const File& file) {
  return std::visit([&](const auto& body) { return CanBePolled(file, body); }, file.body);
}

FileIndex FileAt(const Snapshot& snapshot, TableIndex table, Fd fd) {
  const std::vector<Descriptor>& slots = snapshot.tables[table].slots;
  const auto slot = std::ranges::lower_bound(slots, fd, {}, &Descriptor::fd);
  return slot == slots.end() || slot->fd != fd ? FileIndex() : slot->file;
}

/// The inode of those that have one in the images; what is anonymous shares one.
template <
    OneOf<RegularFile, Memfd, Eventfd, Signalfd, Timerfd, Eventpoll, Inotify, Fanotify, Pidfd,
          InetSocket, NetlinkSocket, PacketSocket, Tty, NamespaceFile, TunFile, BpfMap, OtherFile>
        Body>
std::optional<std::uint64_t> InodeOf(const Body&) {
  return std::nullopt;
}
std::optional<std::uint64_t> InodeOf(const UnixSocket& socket) { return socket.socket_id.value; }
std::optional<std::uint64_t> InodeOf(const Pipe& pipe) { return pipe.pipe_id.value; }
std::optional<std::uint64_t> InodeOf(const Fifo& fifo) { return fifo.pipe_id.value; }
std::optional<std::uint64_t> InodeOf(const File& file) {
  return std::visit([](const auto& body) { return InodeOf(body); }, file.body);
}

/// In whose numbers a set speaks that nobody has, but a message on its way: the dumper leaves them
/// as the kernel says them, those of who has added them.
class OwnerFinder {
 public:
  using Inodes = std::vector<std::uint64_t>;  ///< beside the targets; 0: not known

  OwnerFinder(Loader& loader, std::string place) : loader_(loader), place_(std::move(place)) {}

  /// None: refused.
  ProcessIndex Find(FileIndex set, const std::vector<EpollTarget>& targets, const Inodes& inodes) {
    const Snapshot& snapshot = loader_.snapshot;
    ProcessIndex owner;
    std::vector<FileIndex> files;
    std::vector<bool> seen(snapshot.tables.size());
    for (std::size_t p = 0; p < snapshot.processes.size(); ++p) {
      const TableIndex table = snapshot.processes[p].table;
      if (table < 0 || seen[table]) continue;
      seen[table] = true;
      std::vector<FileIndex> here = FilesIn(table, set, targets, inodes);
      if (here.empty() || (owner >= 0 && here == files)) continue;
      if (owner >= 0)
        return Refuse("processes " + PidOf(owner) + " and " + PidOf(ProcessIndex(p)) +
                      " have different files at such numbers");
      owner = ProcessIndex(p);
      files = std::move(here);
    }
    if (owner < 0) return Refuse("nobody has files that they could be at these numbers");
    const auto is_known = [&](FileIndex file) {
      return InodeOf(*snapshot.files[file]).has_value();
    };
    if (!std::ranges::all_of(files, is_known)) {
      loader_.diag.Warning(place_ + "tfd",
                           "targets of a set that only a message on its way carries are taken for "
                           "descriptors of process " +
                               PidOf(owner) +
                               ", who has such numbers: no image says whose they are");
    }
    return owner;
  }

 private:
  std::string PidOf(ProcessIndex process) const {
    return std::to_string(loader_.snapshot.tree.nodes[process].pid);
  }

  /// What the table has at the numbers; nothing: it cannot be meant.
  std::vector<FileIndex> FilesIn(TableIndex table, FileIndex set,
                                 const std::vector<EpollTarget>& targets,
                                 const Inodes& inodes) const {
    const Snapshot& snapshot = loader_.snapshot;
    std::vector<FileIndex> files;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const FileIndex file = FileAt(snapshot, table, targets[i].fd);
      if (file < 0 || file == set || !CanBePolled(*snapshot.files[file])) return {};
      const auto inode = InodeOf(*snapshot.files[file]);
      if (inode && inodes[i] != 0 && *inode != inodes[i]) return {};
      files.push_back(file);
    }
    return files;
  }

  ProcessIndex Refuse(const std::string& why) {
    loader_.diag.Unsupported(place_ + "tfd",
                             "targets of a set that only a message on its way carries: " + why +
                                 ", and no image says whose they are");
    return {};
  }

  Loader& loader_;
  const std::string place_;
};

/// The targets of all sets, and what of them no kernel allows.
class SetResolver {
 public:
  SetResolver(Loader& loader, const std::unordered_map<std::uint64_t, std::string>& places)
      : loader_(loader), snapshot_(loader.snapshot), places_(places) {}

  void Resolve(LateEntry& entry) {
    std::vector<EpollTarget>& targets = std::get<EpollTargets>(entry.state).targets;
    const std::string& place = places_.at(snapshot_.files[entry.file]->id.value);
    const TableIndex table = snapshot_.processes[entry.process].table;
    std::vector<Resolved> resolved;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const Fd fd = targets[i].fd;
      if (fd < 0 || loader_.IsLeftOut(table, fd)) continue;  // reported
      const Resolved one = {targets[i], FileAt(snapshot_, table, fd), static_cast<int>(i)};
      if (CheckTarget(entry, one, At(place, one))) resolved.push_back(one);
    }
    TellApart(table, place, resolved);
    TellFired(place, resolved);
    targets.clear();
    for (const Resolved& one : resolved) {
      targets.push_back(one.target);
      if (IsSet(one.file)) inner_[entry.file].push_back(one.file);
    }
  }

  /// Sets in sets.
  void CheckNests() {
    for (const auto& [set, inner] : inner_) Height(set, 0);
  }
  /// Whether CheckNests() has reported the set.
  bool IsRefused(FileIndex set) const {
    const auto height = heights_.find(set);
    return height != heights_.end() && height->second == kWrong;
  }

 private:
  enum { kOpen = -2, kWrong = -1 };

  bool IsSet(FileIndex file) const { return As<Eventpoll>(*snapshot_.files[file]) != nullptr; }

  Place At(const std::string& place, const Resolved& one) const {
    return {place, loader_.diag, "tfd", one.index};
  }

  bool CheckTarget(const LateEntry& entry, const Resolved& one, const Place& at) const {
    const std::string name = "fd " + std::to_string(one.target.fd);
    if (one.file < 0) {
      at.Unsupported(".tfd", name + ", which pid " +
                                 std::to_string(snapshot_.tree.nodes[entry.process].pid) +
                                 ", the first that has the set, does not have open");
      return false;
    }
    if (one.file == entry.file) {
      at.Error(".tfd", name + " is the set itself");
      return false;
    }
    if (one.target.events.Has(EPOLLEXCLUSIVE) && IsSet(one.file)) {
      at.Error(".events", "EPOLLEXCLUSIVE, and " + name + " is a set");
      return false;
    }
    if (CanBePolled(*snapshot_.files[one.file])) return true;
    at.Unsupported(".tfd", name + ": a file that epoll_ctl(2) does not take (EPERM)");
    return false;
  }

  /// A file that is watched by several of its numbers stands with one number in the image: others
  /// that it has in the table take the places of the later ones. Where none is left, they were
  /// added by numbers that are closed since, and the number stands twice in the model, too.
  void TellApart(TableIndex table, const std::string& place,
                 std::vector<Resolved>& resolved) const {
    std::unordered_set<Fd> used;
    std::unordered_map<FileIndex, std::vector<Fd>> spare;  // by file, highest first
    std::vector<Resolved*> doubles, closed;
    for (Resolved& one : resolved) {
      if (used.insert(one.target.fd).second) continue;
      doubles.push_back(&one);
      spare[one.file];
    }
    if (doubles.empty()) return;
    const std::vector<Descriptor>& slots = snapshot_.tables[table].slots;
    for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) {
      const auto file = spare.find(slot->file);
      if (file != spare.end() && !used.contains(slot->fd)) file->second.push_back(slot->fd);
    }
    for (Resolved* one : doubles) {
      std::vector<Fd>& numbers = spare[one->file];
      if (numbers.empty()) {
        closed.push_back(one);
        continue;
      }
      one->target.fd = numbers.back();
      numbers.pop_back();
    }
    for (Resolved* one : closed) {
      const Fd fd = one->target.fd;
      loader_.diag.NotRestorable(place + "tfd[" + std::to_string(one->index) + "].tfd",
                                 "fd " + std::to_string(fd) +
                                     " stands twice: it was also watched by a number that is "
                                     "closed, and no image says by which");
      // Many have their number as data.
      const auto is_own = [&](const Resolved& it) {
        return it.target.data.value == static_cast<std::uint64_t>(fd);
      };
      const auto first =
          std::ranges::find(resolved, fd, [](const auto& it) { return it.target.fd; });
      if (is_own(*one) && !is_own(*first)) std::swap(*one, *first);
    }
  }

  /// Only an event disarms EPOLLONESHOT, and no image says whether there will be one to take.
  void TellFired(const std::string& place, const std::vector<Resolved>& resolved) const {
    constexpr std::size_t kMostNamed = 8;
    std::vector<Fd> fired;
    for (const Resolved& one : resolved) {
      if (one.target.HasFired() && !IsAlwaysReady(*snapshot_.files[one.file])) {
        fired.push_back(one.target.fd);
      }
    }
    if (fired.empty()) return;
    std::string names;
    for (std::size_t i = 0; i < std::min(fired.size(), kMostNamed); ++i) {
      names += (i == 0 ? "fd " : ", fd ") + std::to_string(fired[i]);
    }
    if (fired.size() > kMostNamed) {
      names += " and " + std::to_string(fired.size() - kMostNamed) + " more";
    }
    loader_.diag.NotRestorable(
        place + "tfd", names +
                           ": EPOLLONESHOT has fired; what is ready for nothing at the restore "
                           "reports an error or a hang-up (EPOLLERR, EPOLLHUP) once more");
  }

  /// An eventfd that takes one more can be written to.
  static bool IsAlwaysReady(const File& file) {
    const Eventfd* eventfd = As<Eventfd>(file);
    return eventfd != nullptr && eventfd->counter < ~std::uint64_t{0} - 1;
  }

  /// How many sets are below each other in `set`; kWrong: reported.
  int Height(FileIndex set, int depth) {
    const auto inner = inner_.find(set);
    if (inner == inner_.end()) return 0;
    const auto [known, fresh] = heights_.try_emplace(set, kOpen);
    if (!fresh && known->second != kOpen) return known->second;
    const std::string& place = places_.at(snapshot_.files[set]->id.value);
    if (!fresh) {
      loader_.diag.Error(place + "tfd", "sets that watch each other in a circle");
      return heights_[set] = kWrong;
    }
    int height = 0;
    for (const FileIndex below : inner->second) {
      const int one = depth > kEpollNests ? kEpollNests : Height(below, depth + 1);
      if (one == kWrong) return heights_[set] = kWrong;
      height = std::max(height, one + 1);
    }
    if (height > kEpollNests) {
      loader_.diag.Unsupported(place + "tfd",
                               "more than " + std::to_string(kEpollNests) +
                                   " sets below each other, which kernels since Linux 6.17 refuse");
      height = kWrong;
    }
    return heights_[set] = height;
  }

  Loader& loader_;
  Snapshot& snapshot_;
  const std::unordered_map<std::uint64_t, std::string>& places_;
  std::map<FileIndex, std::vector<FileIndex>> inner_;  ///< sets that a set watches
  std::unordered_map<FileIndex, int> heights_;
};

}  // namespace

Result FileLoaderOf<Eventpoll>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                        Loader& loader, ConvertedFile* file) {
  if (!entry.has_epfd()) return MissingMessage(at, kType, loader.diag);
  const pb::eventpoll_file_entry& from = entry.epfd();
  CheckAnonymousFlags(from.flags(), Place(at, loader.diag, "epfd"));
  TakeDescription("epfd", from, file);
  file->body = Eventpoll{};
  if (from.tfd_size() == 0) return Result::kOk;
  EpollTargets set;
  set.targets.reserve(static_cast<std::size_t>(from.tfd_size()));
  std::vector<std::uint64_t>& inodes = inodes_[entry.id()];
  for (int i = 0; i < from.tfd_size(); ++i) {
    const pb::eventpoll_tfd_entry& target = from.tfd(i);
    const Place place(at, loader.diag, "epfd.tfd");
    CheckEvents(target.events(), place.At("epfd.tfd", i));
    const bool is_number = target.tfd() < static_cast<std::uint32_t>(kFdLimit);
    if (!is_number) {
      place.At("epfd.tfd", i)
          .Error(".tfd", std::to_string(target.tfd()) + " is no descriptor number");
    }
    const Fd fd = is_number ? static_cast<Fd>(target.tfd()) : -1;
    set.targets.push_back({fd, {target.events()}, {target.data()}});
    inodes.push_back(target.inode());
  }
  file->late.emplace_back(std::move(set));
  places_.emplace(entry.id(), at.Where("epfd") + ".");
  return Result::kOk;
}

void FileLoaderOf<Eventpoll>::Finish(Loader& loader) {
  if (places_.empty()) return;
  Snapshot& snapshot = loader.snapshot;
  const std::vector<ProcessIndex> holders = FirstHolders(snapshot);
  SetResolver resolver(loader, places_);
  for (LateEntry& entry : snapshot.late) {
    if (!std::holds_alternative<EpollTargets>(entry.state)) continue;
    entry.process = holders[entry.file];
    if (entry.process < 0 && loader.has_descriptor[entry.file]) {
      const std::uint64_t id = snapshot.files[entry.file]->id.value;
      entry.process =
          OwnerFinder(loader, places_.at(id))
              .Find(entry.file, std::get<EpollTargets>(entry.state).targets, inodes_.at(id));
    }
    if (entry.process >= 0) resolver.Resolve(entry);
  }
  resolver.CheckNests();
  std::erase_if(snapshot.late, [&](const LateEntry& entry) {
    const auto* set = std::get_if<EpollTargets>(&entry.state);
    return set != nullptr &&
           (set->targets.empty() || entry.process < 0 || resolver.IsRefused(entry.file));
  });
}

}  // namespace crgen
