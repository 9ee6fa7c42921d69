// SPDX-License-Identifier: Apache-2.0
#include "views/relations.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "views/words.h"

namespace crgen {
namespace {

/// So many others are named; the rest is counted, or a table that ten thousand processes share
/// would be a hundred million words.
constexpr std::size_t kNamed = 3;

enum ObjectKind { kNoObject, kShmemObject, kMemfdObject, kFileObject };

/// Of `all`, one of which is who is asked for.
std::string MoreText(std::size_t all) {
  return all <= kNamed + 1 ? "" : " and " + std::to_string(all - kNamed - 1) + " more";
}

/// The entries of `all`, which has those of one owner beside each other, by owner.
template <typename Entry, typename Owner>
auto ByOwner(const std::vector<Entry>& all, Owner Entry::*owner) {
  std::unordered_map<Owner, std::span<const Entry>> parts;
  for (auto at = all.begin(); at != all.end();) {
    const auto end = std::find_if(at, all.end(),
                                  [&](const Entry& entry) { return entry.*owner != (*at).*owner; });
    parts.emplace((*at).*owner, std::span(at, end));
    at = end;
  }
  return parts;
}

}  // namespace

PageCounter::PageCounter(const std::vector<PageRun>& runs) : runs_(runs) {
  std::uint64_t pages = 0;
  for (const PageRun& run : runs) {
    before_.push_back(pages);
    pages += run.nr_pages;
  }
}

std::uint64_t PageCounter::Before(std::uint64_t end) const {
  const auto next = std::ranges::lower_bound(runs_, end, {}, &PageRun::start);
  if (next == runs_.begin()) return 0;
  const PageRun& last = *std::prev(next);
  const auto index = static_cast<std::size_t>(next - runs_.begin()) - 1;
  return before_[index] + (std::min(end, last.end()) - last.start) / kPageSize;
}

Relations::Relations(const Snapshot& snapshot, const Unplanned& unplanned)
    : snapshot_(snapshot),
      users_(snapshot.tables.size()),
      holders_(snapshot.files.size()),
      left_out_(ByOwner(unplanned.descriptors, &UnplannedDescriptor::table)),
      left_out_regions_(ByOwner(unplanned.regions, &UnplannedRegion::process)) {
  AddTables(unplanned);
  FindSameFiles();
  AddRegions();
  AddPeers();
  AddTcpPeers();
  for (const MemfdObject& memfd : snapshot.memfds) memfds_.emplace(memfd.inode_id, &memfd);
  AddUsers();
}

void Relations::AddUsers() {
  for (const SocketQueue& queue : snapshot_.socket_queues) {
    for (const QueuedMessage& message : queue.messages) {
      for (const FileIndex file : message.rights) carriers_.try_emplace(file, queue.file);
    }
  }
  const auto add = [&](FileIndex file, const char* as, std::size_t process) {
    if (file < 0 || !holders_[file].empty()) return;
    Use& use = uses_[file];
    if (use.users.empty()) use.as = as;
    const ProcessIndex user(process);
    if (use.users.empty() || use.users.back() != user) use.users.push_back(user);
  };
  std::unordered_map<std::string_view, FileIndex> directories;
  for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
    const auto* file = As<RegularFile>(*snapshot_.files[i]);
    if (file != nullptr && holders_[i].empty()) {
      directories.emplace(file->path.bytes, FileIndex(i));
    }
  }
  for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) {
    const Process& process = snapshot_.processes[i];
    for (const Region& region : process.memory.regions) add(region.file, "mapped by ", i);
    add(process.memory.exe, "executable of ", i);
    if (process.attributes == nullptr || !process.attributes->fs) continue;
    for (const auto& [path, as] :
         {std::pair(&process.attributes->fs->cwd.bytes, "working directory of "),
          {&process.attributes->fs->root.bytes, "root directory of "}}) {
      const auto found = directories.find(*path);
      if (found != directories.end()) add(found->second, as, i);
    }
  }
}

std::string Relations::HeldText(FileIndex file) const {
  std::string held = AllText(holders_[file]);
  if (!held.empty()) return held;
  if (const auto carrier = carriers_.find(file); carrier != carriers_.end()) {
    const std::string of = AllText(holders_[carrier->second]);
    return "in flight in socket " + std::to_string(snapshot_.files[carrier->second]->id.value) +
           (of.empty() ? "" : ", " + of);
  }
  const auto use = uses_.find(file);
  if (use == uses_.end()) return "";
  const std::vector<ProcessIndex>& users = use->second.users;
  const std::string others = OthersText(users, users.front());
  return use->second.as + std::to_string(snapshot_.tree.nodes[users.front()].pid) +
         (others.empty() ? "" : ", " + others);
}

void Relations::AddTables(const Unplanned& unplanned) {
  for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) {
    const TableIndex table = snapshot_.processes[i].table;
    if (table >= 0) users_[table].push_back(ProcessIndex(i));
  }
  for (std::size_t i = 0; i < snapshot_.tables.size(); ++i) {
    for (const Descriptor& slot : snapshot_.tables[i].slots) {
      holders_[slot.file].push_back({TableIndex(i), slot.fd});
    }
  }
  for (const UnplannedDescriptor& it : unplanned.descriptors) {
    unsupported_[it.file].push_back({it.table, it.fd});
  }
}

/// CRIU has an entry for each way in which a file is opened, mapped ones too.
void Relations::FindSameFiles() {
  std::map<std::string, FileIndex> first;
  for (const Process& process : snapshot_.processes) {
    for (const Region& region : process.memory.regions) {
      if (region.kind != RegionKind::kSharedFile || region.file < 0) continue;
      const RegularFile* file = As<RegularFile>(*snapshot_.files[region.file]);
      if (file == nullptr) continue;
      const std::string name =
          (file->unlinked ? std::to_string(file->unlinked->id.value) : "") + ":" + file->path.bytes;
      same_file_.try_emplace(region.file, first.try_emplace(name, region.file).first->second);
    }
  }
}

Relations::Object Relations::ObjectOf(const Region& region) const {
  if (region.kind == RegionKind::kSharedAnonymous) return {kShmemObject, region.object};
  if (region.kind == RegionKind::kSharedMemfd) return {kMemfdObject, region.object};
  if (region.kind == RegionKind::kSharedFile || region.kind == RegionKind::kPacketRing) {
    const auto same = same_file_.find(region.file);
    return {kFileObject, same == same_file_.end() ? region.file : same->second};
  }
  return {kNoObject, -1};
}

void Relations::AddRegions() {
  for (const Shmem& shmem : snapshot_.shmems) shmem_pages_.emplace_back(shmem.pages);
  for (const MemfdObject& memfd : snapshot_.memfds) memfd_pages_.emplace_back(memfd.pages);
  for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) {
    for (const Region& region : snapshot_.processes[i].memory.regions) {
      const Object object = ObjectOf(region);
      if (object.first == kNoObject) continue;
      std::vector<ProcessIndex>& viewers = viewers_[object];
      if (viewers.empty() || viewers.back() != ProcessIndex(i)) viewers.emplace_back(i);
    }
  }
}

void Relations::AddPeers() {
  for (const SocketPair& pair : snapshot_.socket_pairs) {
    peers_.emplace(pair.one, pair.other);
    peers_.emplace(pair.other, pair.one);
  }
  std::unordered_map<std::uint64_t, FileIndex> by_id;
  for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
    const auto* socket = As<UnixSocket>(*snapshot_.files[i]);
    if (socket != nullptr) by_id.emplace(socket->socket_id.value, FileIndex(i));
  }
  for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
    const auto* socket = As<UnixSocket>(*snapshot_.files[i]);
    if (socket == nullptr || !socket->connect_to) continue;
    const auto other = by_id.find(socket->connect_to->value);
    if (other != by_id.end()) peers_.emplace(FileIndex(i), other->second);
  }
}

/// The other end of a connection has the same two addresses the other way round.
void Relations::AddTcpPeers() {
  using Ends = std::tuple<std::uint32_t, std::string, std::uint32_t, std::string, std::uint32_t>;
  const auto ends = [](const InetSocket& socket, const InetAddress& from, const InetAddress& to) {
    return Ends{socket.protocol.value, std::string(UnmappedAddress(from.address)), from.port,
                std::string(UnmappedAddress(to.address)), to.port};
  };
  std::map<Ends, FileIndex> connected;
  const auto for_each = [&](auto&& function) {
    for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
      const auto* socket = As<InetSocket>(*snapshot_.files[i]);
      if (socket != nullptr && socket->source && socket->destination)
        function(*socket, FileIndex(i));
    }
  };
  for_each([&](const InetSocket& socket, FileIndex file) {
    connected.emplace(ends(socket, *socket.source, *socket.destination), file);
  });
  for_each([&](const InetSocket& socket, FileIndex file) {
    const auto other = connected.find(ends(socket, *socket.destination, *socket.source));
    if (other != connected.end()) peers_.emplace(file, other->second);
  });
}

const std::vector<Relations::Holder>& Relations::HoldersOf(FileId file) const {
  static const std::vector<Holder> kNone;
  const auto found = unsupported_.find(file);
  return found == unsupported_.end() ? kNone : found->second;
}

std::span<const UnplannedDescriptor> Relations::LeftOutOf(TableIndex table) const {
  const auto found = left_out_.find(table);
  return found == left_out_.end() ? std::span<const UnplannedDescriptor>() : found->second;
}

std::span<const UnplannedRegion> Relations::LeftOutOf(ProcessIndex process) const {
  const auto found = left_out_regions_.find(process);
  return found == left_out_regions_.end() ? std::span<const UnplannedRegion>() : found->second;
}

const std::vector<ProcessIndex>& Relations::ViewersOf(const Region& region) const {
  static const std::vector<ProcessIndex> kNone;
  const auto found = viewers_.find(ObjectOf(region));
  return found == viewers_.end() ? kNone : found->second;
}

std::string Relations::ObjectName(const Region& region) const {
  constexpr const char* kKinds[] = {"", "shmem ", "memfd ", "file "};
  const auto [kind, index] = ObjectOf(region);
  return kind == kNoObject ? "" : kKinds[kind] + std::to_string(index);
}

std::uint64_t Relations::ObjectPages(const Region& region) const {
  const auto [kind, index] = ObjectOf(region);
  if (kind != kShmemObject && kind != kMemfdObject) return 0;
  const auto& counters = kind == kShmemObject ? shmem_pages_ : memfd_pages_;
  return counters[static_cast<std::size_t>(index)].Between(region.offset,
                                                           region.offset + region.range.size());
}

std::span<const LateEntry> Relations::LateOf(FileIndex file) const {
  const auto number = [](const LateEntry& late) { return std::int32_t{late.file}; };
  const std::int32_t wanted = file;
  return {std::ranges::lower_bound(snapshot_.late, wanted, {}, number),
          std::ranges::upper_bound(snapshot_.late, wanted, {}, number)};
}

FileIndex Relations::PeerOf(FileIndex file) const {
  const auto found = peers_.find(file);
  return found == peers_.end() ? FileIndex() : found->second;
}

const SocketQueue* Relations::QueueOf(FileIndex file) const {
  const auto found =
      std::ranges::lower_bound(snapshot_.socket_queues, std::int32_t{file}, {},
                               [](const SocketQueue& queue) { return std::int32_t{queue.file}; });
  return found != snapshot_.socket_queues.end() && found->file == file ? &*found : nullptr;
}

const MemfdObject* Relations::MemfdOf(const File& file) const {
  const auto* memfd = As<Memfd>(file);
  const auto found = memfd == nullptr ? memfds_.end() : memfds_.find(memfd->inode_id);
  return found == memfds_.end() ? nullptr : found->second;
}

std::string Relations::OthersText(const std::vector<Holder>& holders, TableIndex table,
                                  Fd fd) const {
  std::string text;
  std::size_t named = 0;
  for (const Holder& holder : holders) {
    if (holder.table == table && holder.fd == fd) continue;
    if (++named > kNamed) break;
    const std::vector<ProcessIndex>& users = ProcessesOf(holder.table);
    text += (named > 1 ? ", fd " : "fd ") + std::to_string(holder.fd);
    if (holder.table != table && !users.empty()) {
      text += " of " + std::to_string(snapshot_.tree.nodes[users.front()].pid);
    }
  }
  return text + MoreText(holders.size());
}

std::string Relations::AllText(const std::vector<Holder>& holders) const {
  if (holders.empty()) return "";
  const std::vector<ProcessIndex>& users = ProcessesOf(holders.front().table);
  const std::string pid =
      users.empty() ? "" : " of " + std::to_string(snapshot_.tree.nodes[users.front()].pid);
  const Holder first = holders.front();
  const std::string others = OthersText(holders, first.table, first.fd);
  return "fd " + std::to_string(first.fd) + pid + (others.empty() ? "" : ", " + others);
}

std::string Relations::OthersText(const std::vector<ProcessIndex>& processes,
                                  ProcessIndex self) const {
  std::string text;
  std::size_t named = 0;
  for (const ProcessIndex process : processes) {
    if (process == self) continue;
    if (++named > kNamed) break;
    text += (named > 1 ? ", " : "") + std::to_string(snapshot_.tree.nodes[process].pid);
  }
  return text + MoreText(processes.size());
}

std::string Relations::ObjectText(const File& file) const {
  return std::visit(
      [&]<typename Body>(const Body& body) -> std::string {
        if constexpr (HasObjectBehind<Body>) return ObjectText(file, body);
        return "";
      },
      file.body);
}

namespace {

template <typename Contents, typename Id>
std::string UnreadText(const Contents& contents, Id id) {
  const auto found = contents.find(id);
  if (found == contents.end() || !found->second.data) return "";
  return ", " + SizeText(found->second.data->bytes) + " unread";
}

}  // namespace

std::string Relations::ObjectText(const File&, const Pipe& pipe) const {
  return UnreadText(snapshot_.pipes, pipe.pipe_id);
}

std::string Relations::ObjectText(const File&, const Fifo& fifo) const {
  return UnreadText(snapshot_.fifos, fifo.pipe_id);
}

std::string Relations::ObjectText(const File& file, const Memfd&) const {
  const MemfdObject* memfd = MemfdOf(file);
  return memfd == nullptr ? "" : " " + memfd->name.bytes + ", " + SizeText(memfd->size);
}

std::string Relations::ObjectText(const File&, const BpfMap& map) const {
  const auto found = snapshot_.bpf_maps.find(map.map_id);
  return found == snapshot_.bpf_maps.end() ? "" : MapText(found->second);
}

std::string Relations::ObjectText(const File&, const Tty& tty) const {
  const auto found = snapshot_.terminals.find(tty.tty_id);
  return found != snapshot_.terminals.end() && found->second.state.hung_up ? ", hung up" : "";
}

}  // namespace crgen
