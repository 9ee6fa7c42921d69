// SPDX-License-Identifier: Apache-2.0
// The comparison of descriptors, of the descriptions behind them, and of what is behind these.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "views/diff_parts.h"

namespace crgen {
namespace {

/// What belongs to the object behind a description stands at whatever opens it first.
template <typename Body>
void LeaveObject(Body*) {}
void LeaveObject(Memfd* memfd) {
  Memfd own;
  own.inode_id = memfd->inode_id;
  own.pos = memfd->pos;
  *memfd = own;
}
void LeaveObject(Pipe* pipe) {
  pipe->capacity.reset();
  pipe->data.reset();
}
void LeaveObject(Fifo* fifo) {
  fifo->capacity.reset();
  fifo->data.reset();
  fifo->unlinked.reset();
}
void LeaveObject(BpfMap* map) { map->map.reset(); }
void LeaveObject(UnixSocket* socket) { socket->accept_from.reset(); }
void LeaveObject(RegularFile* file) { file->unlinked.reset(); }
void LeaveObject(Tty* tty) {
  Tty own;
  own.tty_id = tty->tty_id;
  own.driver = tty->driver;
  own.index = tty->index;
  own.path = tty->path;
  own.rdev = tty->rdev;
  *tty = own;
}

template <typename Contents, typename Id>
PipeContent ContentOf(const Contents& contents, Id id) {
  const auto known = contents.find(id);
  return known == contents.end() ? PipeContent() : known->second;
}

std::string OpenedText(const File& file) {
  const std::string flags = FlagText(file.flags), what = FileText(file);
  return std::string(TypeOf(file)) + (what.empty() ? "" : " " + what) +
         (flags.empty() ? "" : " " + flags);
}

/// `!`: no program says it.
template <typename Slot>
std::string SlotText(const Snapshot& snapshot, const Slot& slot) {
  if (slot.unplanned == nullptr) return OpenedText(*snapshot.files[slot.file]);
  return "! " + slot.unplanned->what;
}

std::string SharedText(const std::string& others) {
  return others.empty() ? "of its own" : "shared with " + others;
}

std::string LockName(const FileLock& lock) {
  std::string text = NameText(lock.kind);
  if (lock.kind.value == kFlock) return text;
  return text + " from " + std::to_string(lock.start) + " to " +
         (lock.length == 0 ? "the end" : std::to_string(lock.start + lock.length - 1));
}

template <typename Tag>
std::uint64_t Number(Index<Tag> index) {
  return static_cast<std::uint64_t>(index.value);
}

/// What epoll_ctl(2) makes of it.
EpollTarget AsKept(EpollTarget target) {
  constexpr std::uint64_t kAlways = EPOLLERR | EPOLLHUP;
  if (!target.HasFired()) target.events.bits |= kAlways;
  return target;
}

/// Whose O_LARGEFILE says only how it was opened: pipe(2) gives none, and open(2) of a pipe that is
/// handed over one.
bool IsPipe(const File& file) { return As<Pipe>(file) != nullptr || As<Fifo>(file) != nullptr; }

}  // namespace

std::vector<SnapshotDiffer::Slot> SnapshotDiffer::SlotsOf(const DiffSide& side,
                                                          const Relations& relations,
                                                          TableIndex table) {
  std::vector<Slot> slots;
  if (table < 0) return slots;
  for (const Descriptor& slot : side.dump.snapshot.tables[table].slots)
    slots.push_back({slot.fd, slot.cloexec, slot.file});
  const auto left_out = relations.LeftOutOf(table);
  for (const UnplannedDescriptor& slot : left_out)
    slots.push_back({slot.fd, slot.cloexec, FileIndex(), &slot});
  if (!left_out.empty()) std::ranges::stable_sort(slots, {}, &Slot::fd);
  return slots;
}

void SnapshotDiffer::CompareTable(ProcessIndex one_of, ProcessIndex other_of) {
  const Pid pid = a().tree.nodes[one_of].pid;
  const TableIndex before = a().processes[one_of].table, after = b().processes[other_of].table;
  if (before >= 0 && after >= 0) {
    const bool known = tables_.ArePaired(Number(before), Number(after));
    if (!tables_.Pair(Number(before), Number(after))) {
      const auto text = [](const Relations& relations, TableIndex table, ProcessIndex self) {
        return SharedText(relations.OthersText(relations.ProcessesOf(table), self));
      };
      Add({Aspect::kProcess, pid, ""}, "descriptor table", text(relations_a_, before, one_of),
          text(relations_b_, after, other_of));
    } else if (known) {
      return;  // compared at the first process that has it
    }
  }
  const std::vector<Slot> slots = SlotsOf(before_, relations_a_, before);
  const std::vector<Slot> others = SlotsOf(after_, relations_b_, after);
  auto one = slots.begin();
  auto other = others.begin();
  while (one != slots.end() || other != others.end()) {
    const Fd fd = one == slots.end()      ? other->fd
                  : other == others.end() ? one->fd
                                          : std::min(one->fd, other->fd);
    const bool in_one = one != slots.end() && one->fd == fd;
    const bool in_other = other != others.end() && other->fd == fd;
    if (in_one && in_other) {
      CompareSlot(pid, before, after, *one, *other);
    } else {
      Add({Aspect::kDescriptor, pid, "fd " + std::to_string(fd)}, "",
          in_one ? SlotText(a(), *one) : "none", in_other ? SlotText(b(), *other) : "none");
    }
    if (in_one) ++one;
    if (in_other) ++other;
  }
}

void SnapshotDiffer::CompareSlot(Pid pid, TableIndex before, TableIndex after, const Slot& one,
                                 const Slot& other) {
  const Place place = {Aspect::kDescriptor, pid, "fd " + std::to_string(one.fd)};
  Compare(place, "cloexec", one.cloexec, other.cloexec);
  if (one.unplanned == nullptr && other.unplanned == nullptr) {
    if (CompareDescription(place, one.file, other.file)) return;
    const std::string shared =
        SharedText(relations_a_.OthersText(relations_a_.HoldersOf(one.file), before, one.fd));
    const std::string otherwise =
        SharedText(relations_b_.OthersText(relations_b_.HoldersOf(other.file), after, other.fd));
    return Add(place, "description", shared,
               shared == otherwise ? "with others of that name" : otherwise);
  }
  Compare(place, "", SlotText(a(), one), SlotText(b(), other));
}

/// False: one of the two stands for another one already.
bool SnapshotDiffer::CompareDescription(const Place& place, FileIndex before, FileIndex after) {
  if (files_.ArePaired(Number(before), Number(after))) return true;
  const bool same = files_.Pair(Number(before), Number(after));
  const File &one = *a().files[before], &other = *b().files[after];
  CompareFile(place, one, other);
  if (!same) return false;
  met_.push_back({place, before, after});
  if (one.body.index() != other.body.index()) return true;
  CompareContent(place, one, other);
  CompareLate(place, before, after);
  return true;
}

void SnapshotDiffer::CompareFile(const Place& place, const File& before, const File& after) {
  if (before.body.index() != after.body.index() || TypeOf(before) != TypeOf(after))
    return Add(place, "", OpenedText(before), OpenedText(after));
  if (!options_.same_meaning) Compare(place, "id", before.id, after.id);
  auto flags = after.flags;
  if (options_.same_meaning && IsPipe(before)) {
    flags.bits = (flags.bits & ~kLargeFile) | (before.flags.bits & kLargeFile);
  }
  Compare(place, "flags", before.flags, flags);
  if (!options_.same_meaning || before.external.has_value() != after.external.has_value())
    Compare(place, "external", before.external, after.external);
  std::visit(
      [&]<typename Body>(const Body& body) {
        if constexpr (Described<Body>) {
          Body one = body, other = std::get<Body>(after.body);
          LeaveObject(&one);
          LeaveObject(&other);
          if constexpr (std::is_same_v<Body, NamespaceFile>) {
            if (one.id && other.id && SameNumber("namespace", *one.id, *other.id))
              other.id = one.id;
          }
          CompareFields(place, "", one, other);
        }
      },
      before.body);
}

void SnapshotDiffer::CompareContent(const Place& place, const File& before, const File& after) {
  std::visit(
      [&]<typename Body>(const Body& body) {
        if constexpr (HasObjectBehind<Body>) CompareObject(place, before, body, after);
      },
      before.body);
}

void SnapshotDiffer::CompareObject(const Place& place, const File& before, const Pipe& pipe,
                                   const File& after) {
  if (before.external || !compared_.insert("pipe" + std::to_string(pipe.pipe_id.value)).second)
    return;
  ComparePipe(place, ContentOf(a().pipes, pipe.pipe_id),
              ContentOf(b().pipes, As<Pipe>(after)->pipe_id));
}

void SnapshotDiffer::CompareObject(const Place& place, const File& before, const Fifo& fifo,
                                   const File& after) {
  CompareUnlinked(place, fifo.unlinked, As<Fifo>(after)->unlinked);
  if (before.external || !compared_.insert("fifo" + std::to_string(fifo.pipe_id.value)).second)
    return;
  ComparePipe(place, ContentOf(a().fifos, fifo.pipe_id),
              ContentOf(b().fifos, As<Fifo>(after)->pipe_id));
}

void SnapshotDiffer::ComparePipe(const Place& place, const PipeContent& before,
                                 const PipeContent& after) {
  Compare(place, "capacity", before.capacity, after.capacity);
  Compare(place, "data", before.data, after.data);
}

void SnapshotDiffer::CompareObject(const Place& place, const File&, const RegularFile& regular,
                                   const File& after) {
  CompareUnlinked(place, regular.unlinked, As<RegularFile>(after)->unlinked);
}

void SnapshotDiffer::CompareObject(const Place& place, const File& before, const Memfd&,
                                   const File& after) {
  const MemfdObject *one = relations_a_.MemfdOf(before), *other = relations_b_.MemfdOf(after);
  if (one != nullptr && other != nullptr) CompareMemfd(place, *one, *other);
}

void SnapshotDiffer::CompareObject(const Place& place, const File&, const Tty& before,
                                   const File& later) {
  const Tty& after = *As<Tty>(later);
  const auto one = a().terminals.find(before.tty_id), other = b().terminals.find(after.tty_id);
  if (one == a().terminals.end() || other == b().terminals.end()) return;
  const std::string name = "terminal" + std::to_string(before.tty_id.value);
  if (compared_.insert(name).second) {
    const TerminalState &state = one->second.state, &found = other->second.state;
    Compare(place, "termios", state.termios, found.termios);
    Compare(place, "locked_termios", state.locked_termios, found.locked_termios);
    Compare(place, "winsize", state.winsize, found.winsize);
    Compare(place, "hung_up", state.hung_up, found.hung_up);
    Compare(place, "session that it controls", one->second.leader, other->second.leader);
  }
  const std::size_t end = IsPtyMaster(before) ? 1 : 0;
  if (!compared_.insert(name + (end == 1 ? "m" : "s")).second) return;
  const TerminalEnd &state = one->second.ends[end], &found = other->second.ends[end];
  Compare(place, "exclusive", state.exclusive, found.exclusive);
  Compare(place, "packet", state.packet, found.packet);
  Compare(place, "mode", state.mode, found.mode);
  Compare(place, "uid", state.uid, found.uid);
  Compare(place, "gid", state.gid, found.gid);
}

void SnapshotDiffer::CompareMemfd(const Place& place, const MemfdObject& before,
                                  const MemfdObject& after) {
  if (!compared_.insert("memfd" + std::to_string(before.inode_id.value)).second) return;
  Compare(place, "name", before.name, after.name);
  Compare(place, "size", before.size, after.size);
  Compare(place, "seals", before.seals, after.seals);
  Compare(place, "huge", before.huge, after.huge);
  Compare(place, "mode", before.mode, after.mode);
  Compare(place, "uid", before.uid, after.uid);
  Compare(place, "gid", before.gid, after.gid);
  CompareObjectPages(place, before.pages, after.pages);
}

void SnapshotDiffer::CompareUnlinked(const Place& place, const Rare<Unlinked>& before,
                                     const Rare<Unlinked>& after) {
  if (before.has_value() != after.has_value()) {
    const auto text = [](const Rare<Unlinked>& file) {
      return std::string(file ? "gone" : "there");
    };
    return Add(place, "name", text(before), text(after));
  }
  if (!before) return;
  const auto file_of = [](const Unlinked& name) { return name.link_of.value_or(name.id.value); };
  if (!SameNumber("unlinked name", before->id.value, after->id.value)) {
    Add(place, "unlinked.id", std::to_string(before->id.value), std::to_string(after->id.value));
  }
  const std::uint64_t file = file_of(*before), other_file = file_of(*after);
  if (!SameNumber("unlinked file", file, other_file)) {
    return Add(place, "unlinked.link_of", std::to_string(file), std::to_string(other_file));
  }
  if (!compared_.insert("unlinked" + std::to_string(file)).second) return;
  const auto one = a().unlinked.find(file), other = b().unlinked.find(other_file);
  if (one == a().unlinked.end() || other == b().unlinked.end()) return;
  // By whichever of its names it was made.
  ForEachField<Unlinked>([&](const auto& field) {
    if (field.name == "id" || field.name == "link_of") return;
    Compare(place, "unlinked." + std::string(field.name), one->second.*field.member,
            other->second.*field.member);
  });
}

void SnapshotDiffer::CompareLate(const Place& place, FileIndex before, FileIndex after) {
  const auto states = relations_a_.LateOf(before), others = relations_b_.LateOf(after);
  CompareLocks(place, before, after);
  auto one = states.begin();
  auto other = others.begin();
  const auto name = [](const LateState& late) {
    return std::visit([]<typename Late>(const Late&) { return std::string(LateKey<Late>()); },
                      late);
  };
  const auto text = [](const LateState& late) {
    const std::string words = LateText(late);
    return words.empty() ? std::string("set") : words;
  };
  while (one != states.end() || other != others.end()) {
    const auto skip = [](auto& at, const auto& end) {
      if (at == end || !std::holds_alternative<LockSetting>(at->state)) return false;
      ++at;
      return true;
    };
    if (skip(one, states.end()) || skip(other, others.end())) continue;
    const bool only_one =
        other == others.end() || (one != states.end() && one->state.index() < other->state.index());
    const bool only_other =
        one == states.end() || (other != others.end() && other->state.index() < one->state.index());
    if (only_one) {
      Add(place, name(one->state), text(one->state), "none");
    } else if (only_other) {
      Add(place, name(other->state), "none", text(other->state));
    } else {
      std::visit(
          [&]<typename Late>(const Late& late) {
            Late same = std::get<Late>(other->state);
            if constexpr (std::is_same_v<Late, EpollTargets>) return;  // CompareConnections()
            if constexpr (std::is_same_v<Late, TimerfdSetting>) {
              const auto seconds = [](const TimeSpan& span) {
                return static_cast<long double>(span.sec) +
                       static_cast<long double>(span.nsec) / 1e9L;
              };
              if (options_.same_meaning && late.value.IsZero() == same.value.IsZero() &&
                  Near(seconds(late.value), seconds(same.value), seconds(late.interval)))
                same.value = late.value;
            }
            CompareFields(place, "", late, same);
          },
          one->state);
    }
    if (!only_other) ++one;
    if (!only_one) ++other;
  }
}

/// In no order: by owner, kind and range.
void SnapshotDiffer::CompareLocks(const Place& place, FileIndex before, FileIndex after) {
  const auto locks = [](const DiffSide& side, const Relations& relations, FileIndex file) {
    std::map<std::string, std::string> all;
    for (const LateEntry& late : relations.LateOf(file)) {
      const auto* setting = std::get_if<LockSetting>(&late.state);
      if (setting == nullptr) continue;
      std::string owner;
      if (late.process >= 0) {
        const Snapshot& snapshot = side.dump.snapshot;
        const auto& users = relations.ProcessesOf(snapshot.processes[late.process].table);
        owner = " of " + std::to_string(snapshot.tree.nodes[users.front()].pid);
      }
      for (const FileLock& lock : setting->locks)
        all.emplace("lock " + LockName(lock) + owner, NameText(lock.type));
    }
    return all;
  };
  const auto these = locks(before_, relations_a_, before);
  auto those = locks(after_, relations_b_, after);
  for (const auto& [name, type] : these) {
    const auto other = those.find(name);
    Compare(place, name, type, other == those.end() ? std::string("none") : other->second);
    if (other != those.end()) those.erase(other);
  }
  for (const auto& [name, type] : those) Add(place, name, "none", type);
}

/// In no order either: by number and by the description that was meant.
void SnapshotDiffer::CompareEpoll(const Place& place, const LateEntry& before,
                                  const LateEntry& after) {
  using Key = std::tuple<Fd, std::int64_t, int>;  // a number may stand several times
  const auto targets = [](const Snapshot& snapshot, const LateEntry& late, auto&& name) {
    std::map<Key, const EpollTarget*> all;
    for (const EpollTarget& target : std::get<EpollTargets>(late.state).targets) {
      std::int64_t file = -1;
      if (late.process >= 0) {
        const auto& slots = snapshot.tables[snapshot.processes[late.process].table].slots;
        const auto slot = std::ranges::lower_bound(slots, target.fd, {}, &Descriptor::fd);
        if (slot != slots.end() && slot->fd == target.fd) file = name(slot->file);
      }
      for (int nth = 0; !all.emplace(Key{target.fd, file, nth}, &target).second;) ++nth;
    }
    return all;
  };
  const auto these = targets(a(), before, [](FileIndex file) { return std::int64_t{file.value}; });
  auto those = targets(b(), after, [&](FileIndex file) {
    const auto known = files_.BeforeOf(Number(file));
    return known ? static_cast<std::int64_t>(*known) : -2 - std::int64_t{file.value};
  });
  const auto name = [](const Key& key) {
    return "epoll[fd " + std::to_string(std::get<0>(key)) + "]";
  };
  for (const auto& [key, target] : these) {
    const auto other = those.find(key);
    if (other == those.end()) {
      Add(place, name(key), ValueText(target->events), "none");
      continue;
    }
    CompareFields(place, name(key) + ".", AsKept(*target), AsKept(*other->second));
    those.erase(other);
  }
  for (const auto& [key, target] : those) Add(place, name(key), "none", ValueText(target->events));
}

/// Messages on their way, and the descriptions in flight with them.
void SnapshotDiffer::CompareQueue(const Place& place, FileIndex before, FileIndex after) {
  static const SocketQueue kNothing;
  const auto queue_of = [](const Relations& relations, FileIndex file) -> const SocketQueue& {
    const SocketQueue* queue = relations.QueueOf(file);
    return queue == nullptr ? kNothing : *queue;
  };
  const auto& messages = queue_of(relations_a_, before).messages;
  const auto& others = queue_of(relations_b_, after).messages;
  Compare(place, "messages in its queue", messages.size(), others.size());
  for (std::size_t i = 0; i < std::min(messages.size(), others.size()); ++i) {
    const QueuedMessage &one = messages[i], &other = others[i];
    const std::string name = "message " + std::to_string(i);
    Compare(place, name, ImageBytes{one.source.image, one.source.offset, one.bytes},
            ImageBytes{other.source.image, other.source.offset, other.bytes});
    Compare(place, name + ".rights", one.rights.size(), other.rights.size());
    for (std::size_t k = 0; k < std::min(one.rights.size(), other.rights.size()); ++k) {
      // What is in flight may carry more: names do not grow on the way.
      constexpr std::string_view kInFlight = ", in flight";
      Place right = place;
      if (!right.where.ends_with(kInFlight)) right.where += kInFlight;
      if (CompareDescription(right, one.rights[k], other.rights[k])) continue;
      Add(place, name + ".rights[" + std::to_string(k) + "]", "one description", "another one");
    }
  }
}

void SnapshotDiffer::ComparePeer(const Place& place, FileIndex before, FileIndex after) {
  const FileIndex peer = relations_a_.PeerOf(before), other = relations_b_.PeerOf(after);
  const bool paired = peer >= 0 && other >= 0 && files_.ArePaired(Number(peer), Number(other));
  if (paired || (peer < 0 && other < 0)) return;
  const auto text = [](const Relations& relations, FileIndex file) -> std::string {
    if (file < 0) return "none";
    const std::string holders = relations.AllText(relations.HoldersOf(file));
    return holders.empty() ? "one in flight" : holders;
  };
  Add(place, "peer", text(relations_a_, peer), text(relations_b_, other));
}

/// What needs all descriptions: queues make further ones known.
void SnapshotDiffer::CompareConnections() {
  for (std::size_t i = 0; i < met_.size(); ++i) {
    const Met met = met_[i];
    CompareQueue(met.place, met.before, met.after);
  }
  for (const Met& met : met_) {
    ComparePeer(met.place, met.before, met.after);
    const auto epoll = [](const Relations& relations, FileIndex file) -> const LateEntry* {
      for (const LateEntry& late : relations.LateOf(file)) {
        if (std::holds_alternative<EpollTargets>(late.state)) return &late;
      }
      return nullptr;
    };
    const LateEntry *one = epoll(relations_a_, met.before), *other = epoll(relations_b_, met.after);
    if (one != nullptr && other != nullptr) CompareEpoll(met.place, *one, *other);
  }
}

}  // namespace crgen
