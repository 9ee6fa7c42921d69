// SPDX-License-Identifier: Apache-2.0
// The authority of a dump.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "policy/claims.h"

namespace crgen {
namespace policy {
namespace {

class SnapshotClaims {
 public:
  SnapshotClaims(const Snapshot& snapshot, std::size_t invented, Authority& authority)
      : snapshot_(snapshot), invented_(invented), out_(authority), claims_(authority) {}

  void Add(const Unplanned& unplanned) {
    AddTables(unplanned);
    for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) AddProcess(ProcessIndex(i));
    AddMessages();
    AddMade();
    AddDirectories();
    AddLate();
    AddTree();
    for (const auto& [id, terminal] : snapshot_.terminals) {
      if (terminal.state.hung_up) claims_.HungUp(id);
    }
    claims_.Finish();
  }

 private:
  Pid PidOf(ProcessIndex process) const { return snapshot_.tree.nodes[process].pid; }
  std::string PlaceOf(Fd fd, TableIndex table) const {
    const ProcessIndex user = users_[table];
    const std::string number = "fd " + std::to_string(fd);
    return user < 0 ? number : number + " of process " + std::to_string(PidOf(user));
  }

  /// Each file at its first holder.
  void AddTables(const Unplanned& unplanned) {
    users_.resize(snapshot_.tables.size());
    holders_.resize(snapshot_.files.size());
    for (std::size_t i = snapshot_.processes.size(); i-- > 0;) {
      const TableIndex table = snapshot_.processes[i].table;
      if (table >= 0) users_[table] = ProcessIndex(i);
    }
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < snapshot_.tables.size(); ++i) {
      sizes.push_back(snapshot_.tables[i].slots.size());
      for (const Descriptor& slot : snapshot_.tables[i].slots) {
        const auto place = [&] { return PlaceOf(slot.fd, TableIndex(i)); };
        if (holders_[slot.file].empty()) holders_[slot.file] = place();
        claims_.Opened(*snapshot_.files[slot.file], place);
      }
    }
    for (const UnplannedDescriptor& it : unplanned.descriptors) ++sizes[it.table];
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const ProcessIndex user = users_[i];
      if (user < 0) continue;
      out_.AddMost(Kind::kDescriptors, sizes[i], "process " + std::to_string(PidOf(user)));
    }
  }

  void AddProcess(ProcessIndex index) {
    const Process& process = snapshot_.processes[index];
    if (process.state == ProcessState::kZombie) return;
    const Pid pid = PidOf(index);
    threads_ += 1 + process.threads.size();
    AddMemory(pid, process.memory);
    if (process.attributes == nullptr) {
      return out_.AddUnknown("process " + std::to_string(pid), "its attributes");
    }
    const FileIndex exe = process.memory.exe;
    claims_.Process(pid, *process.attributes, exe < 0 ? nullptr : snapshot_.files[exe].get());
    AddThread(pid, pid, process.attributes.get());
    for (const Thread& thread : process.threads) {
      AddThread(pid, thread.tid, thread.attributes.get());
    }
    if (!process.attributes->fs || process.table < 0) return;
    for (const Descriptor& slot : snapshot_.tables[process.table].slots) {
      claims_.Held(pid, process.attributes->fs->root.bytes, slot.fd, *snapshot_.files[slot.file]);
    }
  }

  void AddThread(Pid pid, Pid tid, const Attributes* attributes) {
    if (attributes == nullptr || !attributes->creds) {
      return out_.AddUnknown(OfThread(pid, tid), "its credentials");
    }
    claims_.Thread(pid, tid, *attributes);
    if (!attributes->cgroup) return;
    for (const CgroupPath& path : attributes->cgroup->paths) claims_.CgroupPlace(tid, path);
  }

  void AddMemory(Pid pid, const AddressSpace& memory) {
    auto run = memory.pages.begin();
    for (const Region& region : memory.regions) {
      mapped_ += region.range.size();
      while (run != memory.pages.end() && run->end() <= region.range.start) ++run;
      MappedPart part = {region.prot, region.kind, nullptr, region.open_flags, "", false};
      part.loaded = run != memory.pages.end() && run->start < region.range.end;
      if (region.file >= 0) part.file = snapshot_.files[region.file].get();
      if (region.kind == RegionKind::kPrivateMemfd || region.kind == RegionKind::kSharedMemfd) {
        const MemfdObject& object = snapshot_.memfds[region.object];
        part.memfd = object.name.bytes;
        part.loaded = part.loaded || !object.pages.empty();
        part.object = reinterpret_cast<std::uintptr_t>(&object);
        part.sealed = IsSealed(object.seals);
      } else if (region.kind == RegionKind::kSharedAnonymous) {
        const auto& object = snapshot_.shmems[region.object];
        part.loaded = part.loaded || !object.pages.empty();
        part.object = reinterpret_cast<std::uintptr_t>(&object);
      } else if (region.kind == RegionKind::kSysvShm) {
        part.object = region.shmid + 1;
        part.loaded = true;  // none is planned but of the tree's own
      }
      claims_.Mapped(pid, region.range, part);
    }
  }

  /// What a description says in a program of the file that it makes.
  void AddMade() {
    for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
      const auto name = UnlinkedOf(*snapshot_.files[i]);
      if (!name) continue;
      const std::uint64_t first = name->file->link_of.value_or(name->file->id.value);
      const auto made = snapshot_.unlinked.find(first);
      if (made == snapshot_.unlinked.end()) continue;
      claims_.MadeUnlinked(name->path->bytes, made->second, HolderOf(FileIndex(i)));
    }
    for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
      const auto* map = As<BpfMap>(*snapshot_.files[i]);
      const auto made =
          map == nullptr ? snapshot_.bpf_maps.end() : snapshot_.bpf_maps.find(map->map_id);
      if (made != snapshot_.bpf_maps.end()) claims_.MadeMap(made->second, HolderOf(FileIndex(i)));
    }
    for (const MemfdObject& object : snapshot_.memfds) {
      claims_.Made("[memfd:" + object.name.bytes + "]", object.mode,
                   "memfd " + std::to_string(object.inode_id.value));
    }
  }

  /// Working and root directories without a name: a program opens one of its entries, unless a
  /// descriptor has it.
  void AddDirectories() {
    std::map<UnlinkedId, FileIndex> entries;
    std::set<UnlinkedId> held;
    for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
      const auto name = UnlinkedOf(*snapshot_.files[i]);
      if (!name) continue;
      entries.try_emplace(name->file->id, FileIndex(i));
      if (!holders_[i].empty()) held.insert(name->file->id);
    }
    for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) {
      const auto& attributes = snapshot_.processes[i].attributes;
      if (attributes == nullptr || !attributes->fs) continue;
      for (const auto& id : {attributes->fs->cwd_unlinked, attributes->fs->root_unlinked}) {
        const auto entry = id ? entries.find(*id) : entries.end();
        if (entry == entries.end() || !held.insert(*id).second) continue;
        claims_.Opened(*snapshot_.files[entry->second], [&] {
          return "a directory of process " + std::to_string(PidOf(ProcessIndex(i)));
        });
      }
    }
  }

  /// Descriptors in flight: whoever receives them has them.
  void AddMessages() {
    for (const SocketQueue& queue : snapshot_.socket_queues) {
      for (const QueuedMessage& message : queue.messages) {
        for (const FileIndex file : message.rights) {
          claims_.Opened(*snapshot_.files[file],
                         [&] { return "a message for " + HolderOf(queue.file); });
        }
      }
    }
  }
  std::string HolderOf(FileIndex file) const {
    return holders_[file].empty() ? "file " + std::to_string(snapshot_.files[file]->id.value)
                                  : holders_[file];
  }
  void AddLate() {
    for (const LateEntry& late : snapshot_.late) {
      claims_.Late(late.state, [&] { return HolderOf(late.file); });
    }
  }

  void AddTree() {
    const auto& nodes = snapshot_.tree.nodes;
    out_.AddMost(Kind::kProcesses, nodes.size() + invented_, "the tree");
    out_.AddMost(Kind::kThreads, threads_, "the tree");
    out_.AddMost(Kind::kMemory, mapped_, "the tree");
    if (nodes.empty()) return;
    if (nodes.front().sid != nodes.front().pid) claims_.External("session", "", "the root");
    for (const CgroupDirectory& it : snapshot_.cgroup_directories) claims_.CgroupMade(it);
    const auto& attributes = snapshot_.processes.front().attributes;
    const Attributes root = attributes == nullptr ? Attributes{} : *attributes;
    if (snapshot_.network_lock && !Claims::IsLockedInside(root)) {
      claims_.External("network_lock", snapshot_.network_lock->table, "the dump");
    }
    const auto& user = snapshot_.user_namespace;
    const auto& pid = snapshot_.pid_namespace;
    claims_.Namespaces(root, snapshot_.new_pid_namespace, pid ? &*pid : nullptr,
                       user ? &*user : nullptr);
  }

  const Snapshot& snapshot_;
  const std::size_t invented_;
  Authority& out_;
  Claims claims_;
  std::vector<ProcessIndex> users_;  ///< of each table the first
  std::vector<std::string> holders_;
  std::uint64_t threads_ = 0, mapped_ = 0;
};

/// Registers that the image lacks: no authority comes of them.
bool IsOfRegisters(const Diagnostic& entry) {
  return entry.severity == Severity::kUnsupported &&
         entry.where.find(".thread_info.fpregs.") != entry.where.npos;
}

/// What was left out is among the findings of reading; if it should not be, it speaks for itself.
void AddUnknown(const Unplanned& unplanned, const Diagnostics& findings, Authority* authority) {
  bool told = false;
  for (const Diagnostic& entry : findings.entries()) {
    if (entry.severity == Severity::kWarning || IsOfRegisters(entry)) continue;
    authority->AddUnknown(entry.where, entry.what);
    told = true;
  }
  const std::size_t dropped =
      findings.Dropped(Severity::kError) + findings.Dropped(Severity::kUnsupported);
  if (dropped != 0) authority->AddUnknown("the dump", std::to_string(dropped) + " more");
  if (told || dropped != 0) return;
  for (const UnplannedDescriptor& it : unplanned.descriptors) {
    authority->AddUnknown("fd " + std::to_string(it.fd), it.what);
  }
  for (const UnplannedRegion& it : unplanned.regions) {
    authority->AddUnknown(HexText(it.range.start), it.what);
  }
}

}  // namespace
}  // namespace policy

Authority AuthorityOf(const Snapshot& snapshot, const Unplanned& unplanned,
                      const Diagnostics& findings, std::size_t invented) {
  Authority authority;
  policy::AddUnknown(unplanned, findings, &authority);
  policy::SnapshotClaims(snapshot, invented, authority).Add(unplanned);
  return authority;
}

}  // namespace crgen
