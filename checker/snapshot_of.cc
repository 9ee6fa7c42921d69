// SPDX-License-Identifier: Apache-2.0
#include "checker/snapshot_of.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "checker/kernel/kernel.h"

namespace crgen {
namespace check {
namespace {

class SnapshotMaker {
 public:
  explicit SnapshotMaker(const Kernel& kernel) : kernel_(kernel) {}

  Snapshot Make() {
    snapshot_.page_images = kernel_.images;
    snapshot_.new_pid_namespace = kernel_.new_pid_namespace;
    snapshot_.pid_namespace = kernel_.pid_namespace;
    snapshot_.user_namespace = kernel_.user_namespace;
    for (const auto& [key, directory] : kernel_.cgroup_directories)
      snapshot_.cgroup_directories.push_back(directory);
    AddTree();
    for (std::size_t i = 0; i < tasks_.size(); ++i) AddProcess(i);
    // A queue carries descriptions, which may be sockets with queues.
    for (std::size_t i = 0; i < descriptions_.size(); ++i) AddQueue(FileIndex(i));
    AddLocks();
    for (std::size_t i = 0; i < descriptions_.size(); ++i) AddLate(FileIndex(i));
    AddPairs();
    for (const auto& [file, states] : late_) {
      snapshot_.late.insert(snapshot_.late.end(), states.begin(), states.end());
    }
    return std::move(snapshot_);
  }

 private:
  void AddTree() {
    std::vector<std::pair<TaskIndex, ProcessIndex>> stack = {{kRestorer, ProcessIndex()}};
    while (!stack.empty()) {
      const auto [index, parent] = stack.back();
      stack.pop_back();
      const Task& task = kernel_.tasks[index];
      const ProcessIndex self = index == kRestorer ? ProcessIndex() : ProcessIndex(tasks_.size());
      if (index != kRestorer) {
        tasks_.push_back(&task);
        AddNode(task, parent);
      }
      if (task.family < 0) continue;
      std::vector<TaskIndex> children = kernel_.families[task.family].children;
      std::sort(children.begin(), children.end(), std::greater<>());
      for (const TaskIndex child : children) stack.push_back({child, self});
    }
  }

  void AddNode(const Task& task, ProcessIndex parent) {
    TreeNode node = {task.pid,       task.pgid, task.sid, parent, task.state == TaskState::kZombie,
                     task.subreaper, {}};
    for (const SimulatedThread& thread : task.threads) node.tids.push_back(thread.tid);
    snapshot_.tree.nodes.push_back(std::move(node));
  }

  void AddProcess(std::size_t index) {
    const Task& task = *tasks_[index];
    Process process;
    process.attributes = task.attributes;
    if (task.state == TaskState::kZombie) {
      process.state = ProcessState::kZombie;
      process.exit_status = task.exit_status;
      auto name = std::make_shared<Attributes>();
      name->comm = task.attributes->comm;
      process.attributes = std::move(name);
      snapshot_.processes.push_back(std::move(process));
      return;
    }
    if (task.stopped) {
      process.state = ProcessState::kStopped;
      process.stop_signal = *task.stopped;
    }
    for (const SimulatedThread& thread : task.threads)
      process.threads.push_back({thread.tid, thread.attributes});
    process.leader_signal_queue = task.leader_signal_queue;
    process.table = TableOf(task.table.get(), ProcessIndex(index));
    if (task.space != nullptr) AddMemory(*task.space, &process.memory);
    if (task.terminal) leaders_.emplace(*task.terminal, task.sid);
    snapshot_.processes.push_back(std::move(process));
  }

  TableIndex TableOf(const Table* table, ProcessIndex process) {
    const auto [known, is_new] = tables_.try_emplace(table, TableIndex(tables_.size()));
    if (!is_new) return known->second;
    user_.push_back(process);
    DescriptorTable slots;
    table->slots.ForEach([&](Fd fd, const Slot& slot) {
      const FileIndex file = FileOf(*slot.description);
      if (holder_.size() <= static_cast<std::size_t>(file)) holder_.resize(file + 1);
      holder_[file].push_back(process);
      slots.slots.push_back({fd, slot.cloexec, file});
    });
    snapshot_.tables.push_back(std::move(slots));
    return known->second;
  }

  FileIndex FileOf(const Description& description) {
    const auto [known, is_new] =
        files_.try_emplace(&description, FileIndex(snapshot_.files.size()));
    if (!is_new) return known->second;
    descriptions_.push_back(&description);
    snapshot_.files.push_back(description.file);
    AddObject(description);
    return known->second;
  }

  /// One that was mapped, and is open no more.
  FileIndex MappedFile(const std::shared_ptr<const File>& file) {
    const auto [known, is_new] = mapped_.try_emplace(file.get(), FileIndex(snapshot_.files.size()));
    if (!is_new) return known->second;
    descriptions_.push_back(nullptr);
    snapshot_.files.push_back(file);
    AddUnlinked(*file);
    return known->second;
  }

  /// What is behind a description, once.
  void AddObject(const Description& description) {
    const File& file = *description.file;
    AddUnlinked(file);
    if (description.object != nullptr) (void)ObjectOf(*description.object);
    std::visit(
        [&]<typename Body>(const Body& body) {
          if constexpr (HasObjectBehind<Body>) Add(body, &description);
        },
        file.body);
    if (description.socket != nullptr) AddSocket(description);
  }

  // The object of each type that has one.
  void Add(const Pipe& pipe, const Description* description) {
    if (description->pipe != nullptr && !description->file->external)
      snapshot_.pipes.emplace(pipe.pipe_id, description->pipe->content);
  }

  void Add(const Fifo& fifo, const Description* description) {
    if (description->pipe != nullptr && !description->file->external)
      snapshot_.fifos.emplace(fifo.pipe_id, description->pipe->content);
  }

  void Add(const BpfMap& map, const Description* description) {
    if (description->bpf_map != nullptr)
      snapshot_.bpf_maps.emplace(map.map_id, *description->bpf_map);
  }

  void Add(const Memfd&, const Description*) {}  // ObjectOf()

  void Add(const Tty& tty, const Description*) {
    const TerminalObject* terminal = kernel_.files.Of<Tty>().Find(tty.tty_id);
    if (terminal == nullptr) return;
    snapshot_.terminals.emplace(
        tty.tty_id,
        Terminal{terminal->state, {terminal->ends[0], terminal->ends[1]}, terminal->name, 0});
  }

  void Add(const RegularFile&, const Description*) {}  // AddUnlinked()

  void AddUnlinked(const File& file) {
    const auto name = UnlinkedOf(file);
    if (!name) return;
    const auto& rules = kernel_.files.Of<RegularFile>();
    const UnlinkedId id = name->file->id;
    if (const Unlinked* created = rules.Created(id))
      snapshot_.unlinked.emplace(rules.FileOf(id), *created);
  }

  /// As the kernel has the socket: whom it waits for, or sends to.
  void AddSocket(const Description& description) {
    File file = *description.file;
    UnixSocket& body = std::get<UnixSocket>(file.body);
    const SocketObject& object = *description.socket;
    body.accept_from.reset();
    body.permissions = *object.permissions;
    const bool to_peer = body.connect_to && body.socket_type.value == SOCK_DGRAM;
    const auto other = to_peer ? object.peer.lock() : object.listener.lock();
    body.connect_to.reset();
    if (other != nullptr) body.connect_to = SocketReference{other->opened.socket_id.value};
    snapshot_.files.back() = std::make_shared<const File>(std::move(file));
  }

  ObjectIndex ObjectOf(const MemoryObject& object) {
    const auto [known, is_new] = objects_.try_emplace(
        &object, ObjectIndex(object.memfd ? snapshot_.memfds.size() : snapshot_.shmems.size()));
    if (!is_new) return known->second;
    std::vector<PageRun> pages = RunsOf(object.pages);
    if (!object.memfd) {
      snapshot_.shmems.push_back({{object.id}, object.size, std::move(pages)});
      return known->second;
    }
    const Memfd& created = object.created;
    snapshot_.memfds.push_back({{object.id},
                                created.name.value_or(Text{}),
                                object.size,
                                object.seals,
                                created.huge,
                                created.mode,
                                created.uid.value_or(0),
                                created.gid.value_or(0),
                                std::move(pages)});
    return known->second;
  }

  static std::vector<PageRun> RunsOf(const PageMap& pages) {
    std::vector<PageRun> runs;
    pages.ForEach([&](AddressRange range, const PageSource& source) {
      runs.push_back({range.start, range.size() / kPageSize, source.image, source.offset});
    });
    return runs;
  }

  void AddMemory(const Space& space, AddressSpace* memory) {
    space.regions.ForEach([&](AddressRange range, const MappedRegion& mapped) {
      const Backing& backing = *mapped.backing;
      Region region;
      region.range = range;
      region.kind = backing.kind;
      region.prot = mapped.prot;
      region.flags = mapped.flags;
      region.madvise = mapped.madvise;
      region.offset = mapped.offset;
      if (backing.kind == RegionKind::kPacketRing) {
        region.file = FileOf(*backing.opened);
      } else if (backing.kind == RegionKind::kSysvShm) {
        region.open_flags.bits = backing.may_write ? O_RDWR : O_RDONLY;
      } else if (backing.file != nullptr) {
        region.open_flags = backing.file->flags;
        if (backing.object == nullptr) region.file = MappedFile(backing.file);
      }
      if (backing.object != nullptr) region.object = ObjectOf(*backing.object);
      region.nr_req = backing.nr_req;
      region.aio.head = backing.head;
      region.aio.tail = backing.tail;
      if (!backing.events.image.empty()) {
        region.aio.image = ImageIndex(backing.events.image);
        region.aio.image_offset = backing.events.offset;
      }
      region.shmid = backing.shmid;
      memory->regions.push_back(std::move(region));
    });
    space.guards.ForEach(
        [&](AddressRange range, const NoValue&) { memory->guards.push_back(range); });
    memory->pages = RunsOf(space.pages);
  }

  std::uint32_t ImageIndex(const std::string& name) {
    auto& names = snapshot_.page_images;
    if (images_.empty()) {
      for (const std::string& image : names) images_.emplace(image, images_.size());
    }
    const auto [known, is_new] = images_.try_emplace(name, names.size());
    if (is_new) names.push_back(name);
    return static_cast<std::uint32_t>(known->second);
  }

  void AddQueue(FileIndex file) {
    const Description* description = descriptions_[file];
    if (description == nullptr || description->socket == nullptr) return;
    SocketQueue queue{file, {}};
    for (const SocketMessage& message : description->socket->queue) {
      QueuedMessage& added =
          queue.messages.emplace_back(QueuedMessage{message.source, message.bytes, {}});
      for (const auto& right : message.rights) added.rights.push_back(FileOf(*right));
    }
    if (!queue.messages.empty()) snapshot_.socket_queues.push_back(std::move(queue));
  }

  void AddLocks() {
    std::map<std::pair<std::int32_t, std::int32_t>, LockSetting> settings;  // file, process
    kernel_.locks.ForEach(
        [&](const FileLock& lock, const LockOwner& owner, const Description* description) {
          const auto file = files_.find(description);
          if (lock.kind.value == kLease || file == files_.end()) return;
          ProcessIndex process;
          if (lock.kind.value == kPosixLock) {
            const auto table = tables_.find(static_cast<const Table*>(owner.lock().get()));
            if (table == tables_.end()) return;
            process = user_[table->second];
          }
          settings[{file->second, process}].locks.push_back(lock);
        });
    for (auto& [key, setting] : settings) {
      late_[FileIndex(key.first)].push_back(
          {FileIndex(key.first), std::move(setting), ProcessIndex(key.second)});
    }
  }

  void AddLate(FileIndex file) {
    const Description* description = descriptions_[file];
    if (description == nullptr) return;
    auto& states = late_[file];
    for (const LateState& state : description->late) {
      if (std::holds_alternative<QueueSetting>(state) || std::holds_alternative<LockSetting>(state))
        continue;
      LateEntry entry = {file, state, {}};
      if (auto* set = std::get_if<EpollTargets>(&entry.state))
        entry.process = WhoSees(*description, file, set);
      states.push_back(std::move(entry));
    }
    std::ranges::stable_sort(states, {}, [](const LateEntry& it) { return it.state.index(); });
  }

  /// A holder in whose numbers the set speaks. Targets that nobody has open any more are gone.
  ProcessIndex WhoSees(const Description& epoll, FileIndex file, EpollTargets* set) const {
    EpollTargets alive;
    std::vector<FileIndex> watched;
    for (std::size_t i = 0; i < set->targets.size(); ++i) {
      const auto target = epoll.epoll().watched[i].lock();
      const auto known = target == nullptr ? files_.end() : files_.find(target.get());
      if (known == files_.end()) continue;
      alive.targets.push_back(set->targets[i]);
      watched.push_back(known->second);
    }
    *set = std::move(alive);
    const auto sees_all = [&](ProcessIndex process) {
      const auto& slots = snapshot_.tables[snapshot_.processes[process].table].slots;
      for (std::size_t i = 0; i < watched.size(); ++i) {
        const auto slot = std::ranges::lower_bound(slots, set->targets[i].fd, {}, &Descriptor::fd);
        if (slot == slots.end() || slot->fd != set->targets[i].fd || slot->file != watched[i])
          return false;
      }
      return true;
    };
    if (static_cast<std::size_t>(file) >= holder_.size() || holder_[file].empty()) return {};
    // Whoever has set it sees it all, unless it has closed some since; few holders do not.
    constexpr std::size_t kTries = 64;
    const std::vector<ProcessIndex>& holders = holder_[file];
    const auto end =
        holders.begin() + static_cast<std::ptrdiff_t>(std::min(kTries, holders.size()));
    const auto seer = std::find_if(holders.begin(), end, sees_all);
    const ProcessIndex who = seer == end ? holders.front() : *seer;
    NameClosed(snapshot_.tables[snapshot_.processes[who].table].slots, watched, set);
    return who;
  }

  /// As a dump says them that were added by a number that is closed since: by another one, behind
  /// those that are open.
  static void NameClosed(const std::vector<Descriptor>& slots,
                         const std::vector<FileIndex>& watched, EpollTargets* set) {
    std::vector<EpollTarget> open, closed;
    for (std::size_t i = 0; i < watched.size(); ++i) {
      EpollTarget& target = set->targets[i];
      const auto at = std::ranges::lower_bound(slots, target.fd, {}, &Descriptor::fd);
      const bool is_open = at != slots.end() && at->fd == target.fd && at->file == watched[i];
      const auto other = std::ranges::find(slots, watched[i], &Descriptor::file);
      if (!is_open && other != slots.end()) target.fd = other->fd;
      (is_open ? open : closed).push_back(target);
    }
    open.insert(open.end(), closed.begin(), closed.end());
    set->targets = std::move(open);
  }

  void AddPairs() {
    std::unordered_map<const SocketObject*, FileIndex> of;
    for (std::size_t i = 0; i < descriptions_.size(); ++i) {
      if (descriptions_[i] != nullptr && descriptions_[i]->socket != nullptr)
        of.emplace(descriptions_[i]->socket.get(), FileIndex(i));
    }
    for (std::size_t i = 0; i < descriptions_.size(); ++i) {
      if (descriptions_[i] == nullptr || descriptions_[i]->socket == nullptr) continue;
      if (std::get<UnixSocket>(snapshot_.files[i]->body).connect_to) continue;
      const auto peer = of.find(descriptions_[i]->socket->peer.lock().get());
      if (peer != of.end() && static_cast<std::int32_t>(i) < peer->second)
        snapshot_.socket_pairs.push_back({FileIndex(i), peer->second});
    }
    for (const auto& [terminal, leader] : leaders_) {
      const auto known = snapshot_.terminals.find(terminal);
      if (known != snapshot_.terminals.end()) known->second.leader = leader;
    }
  }

  const Kernel& kernel_;
  Snapshot snapshot_;
  std::vector<const Task*> tasks_;                 // by process
  std::vector<const Description*> descriptions_;   // by file; null: mapped alone
  std::vector<std::vector<ProcessIndex>> holder_;  // by file: the first of each table
  std::unordered_map<const Table*, TableIndex> tables_;
  std::unordered_map<const Description*, FileIndex> files_;
  std::unordered_map<const File*, FileIndex> mapped_;
  std::unordered_map<const MemoryObject*, ObjectIndex> objects_;
  std::map<FileIndex, std::vector<LateEntry>> late_;
  std::vector<ProcessIndex> user_;  // by table: the first
  std::unordered_map<std::string, std::size_t> images_;
  std::map<TtyId, Pid> leaders_;
};

}  // namespace
}  // namespace check

Snapshot SnapshotOf(const SimulatedState& state) {
  return state.kernel() == nullptr ? Snapshot() : check::SnapshotMaker(*state.kernel()).Make();
}

}  // namespace crgen
