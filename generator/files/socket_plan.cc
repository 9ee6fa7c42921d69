// SPDX-License-Identifier: Apache-2.0
#include "generator/files/socket_plan.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace crgen {
namespace {

bool IsDatagram(const UnixSocket& socket) { return socket.socket_type.value == SOCK_DGRAM; }

/// Where a file is held first, by the order of processes.
struct Holding {
  ProcessIndex process;
  Fd fd = -1;
};

class Planner {
 public:
  Planner(Snapshot& snapshot, std::vector<TemporarySlot>& temporary, Diagnostics& diag)
      : snapshot_(snapshot), temporary_(temporary), diag_(diag) {}

  Result Run() {
    FindSockets();
    FindHolders();
    for (const SocketQueue& queue : snapshot_.socket_queues) PlanQueue(queue);
    HoldSets();
    PlanVanished();
    CheckBacklogs();
    PlanAccepts();
    for (DescriptorTable& table : snapshot_.tables) {
      std::sort(table.slots.begin(), table.slots.end(),
                [](const Descriptor& a, const Descriptor& b) { return a.fd < b.fd; });
    }
    return failed_ ? Result::kError : Result::kOk;
  }

 private:
  /// Sockets of one name are one listener and what it has accepted.
  using Name = std::tuple<std::uint32_t, std::string, std::string, bool, std::string, std::uint64_t,
                          std::uint64_t>;

  const UnixSocket& SocketAt(FileIndex file) const {
    return std::get<UnixSocket>(snapshot_.files[file]->body);
  }
  const UnixSocket* FindSocket(FileIndex file) const {
    return As<UnixSocket>(*snapshot_.files[file]);
  }
  void Refuse(FileIndex file, const std::string& what) {
    diag_.Unsupported("file " + std::to_string(snapshot_.files[file]->id.value), what,
                      Loss::kQueues);
    failed_ = true;
  }

  void FindSockets() {
    for (std::size_t i = 0; i < snapshot_.socket_pairs.size(); ++i) {
      pair_of_.emplace(snapshot_.socket_pairs[i].one, i);
      pair_of_.emplace(snapshot_.socket_pairs[i].other, i);
    }
    for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
      const FileIndex file(i);
      const UnixSocket* socket = FindSocket(file);
      if (socket == nullptr) continue;
      highest_socket_ = std::max(highest_socket_, socket->socket_id.value);
      if (socket->connect_to) sender_to_.emplace(socket->connect_to->value, file);
    }
  }

  void FindHolders() {
    for (std::size_t p = 0; p < snapshot_.processes.size(); ++p) {
      const TableIndex table = snapshot_.processes[p].table;
      if (table < 0) continue;
      if (!first_of_table_.emplace(table, ProcessIndex(p)).second) continue;
      for (const Descriptor& slot : snapshot_.tables[table].slots) {
        Remember(slot.file, ProcessIndex(p), slot.fd);
        used_[table].emplace(slot.fd, slot.file);
      }
    }
  }
  void Remember(FileIndex file, ProcessIndex process, Fd fd) {
    holders_[file].push_back({process, fd});
  }

  /// -1: the process does not hold it.
  Fd NumberIn(ProcessIndex process, FileIndex file) const {
    const auto holders = holders_.find(file);
    if (holders == holders_.end()) return -1;
    const auto held =
        std::lower_bound(holders->second.begin(), holders->second.end(), process,
                         [](const Holding& one, ProcessIndex p) { return one.process < p; });
    return held == holders->second.end() || held->process != process ? -1 : held->fd;
  }

  /// The process gets a descriptor of it for the time, if it has none.
  Fd Hold(ProcessIndex process, FileIndex file) {
    const Fd known = NumberIn(process, file);
    if (known >= 0) return known;
    std::vector<Holding>& holders = holders_[file];
    const TableIndex table = snapshot_.processes[process].table;
    std::map<Fd, FileIndex>& used = used_[table];
    // A number that another process has it at costs nothing to inherit.
    Fd fd = holders.empty() || used.contains(holders.front().fd) ? FreeNumber(table, used)
                                                                 : holders.front().fd;
    used.emplace(fd, file);
    snapshot_.tables[table].slots.push_back({fd, false, file});
    temporary_.push_back({process, fd, file});
    holders.insert(
        std::upper_bound(holders.begin(), holders.end(), process,
                         [](ProcessIndex p, const Holding& one) { return p < one.process; }),
        {process, fd});
    return fd;
  }
  Fd FreeNumber(TableIndex table, const std::map<Fd, FileIndex>& used) {
    Fd& next = next_free_[table];
    while (used.contains(next)) ++next;
    return next;
  }

  /// A description that the snapshot has not.
  FileIndex Invent(UnixSocket body) {
    const FileIndex file(snapshot_.files.size());
    body.socket_id.value = ++highest_socket_;
    snapshot_.files.push_back(
        std::make_shared<File>(File{{++snapshot_.highest_file_id}, {O_RDWR}, std::move(body)}));
    return file;
  }
  FileIndex InventPeer(FileIndex file) {
    UnixSocket body;
    body.socket_type = SocketAt(file).socket_type;
    body.state = kConnected;
    const FileIndex peer = Invent(std::move(body));
    pair_of_.emplace(file, snapshot_.socket_pairs.size());
    pair_of_.emplace(peer, snapshot_.socket_pairs.size());
    snapshot_.socket_pairs.push_back({peer, file});
    return peer;
  }

  /// Who has sent what the socket has not received; -1: refused.
  FileIndex SenderTo(FileIndex receiver) {
    const UnixSocket& socket = SocketAt(receiver);
    const auto pair = pair_of_.find(receiver);
    if (pair != pair_of_.end()) {
      const SocketPair& ends = snapshot_.socket_pairs[pair->second];
      const bool is_left =
          SocketAt(receiver == ends.one ? ends.other : ends.one).state == kUnconnected;
      if (!is_left) return receiver == ends.one ? ends.other : ends.one;
    } else if (socket.state == kConnected && !socket.connect_to) {
      return InventPeer(receiver);
    } else if (socket.connect_to && socket.connect_to->value == socket.socket_id.value) {
      return receiver;
    } else if (socket.state == kUnconnected && IsDatagram(socket)) {
      const auto known = sender_to_.find(socket.socket_id.value);
      if (known != sender_to_.end()) return known->second;
      // Whom somebody connects to is connected himself, for sock_diag(7); an end that leaves its
      // pair is not.
      return InventPeer(receiver);
    }
    Refuse(receiver, "has messages in its queue that nobody can send any more");
    return FileIndex();
  }

  /// The process that holds most of it already; the first if there are several.
  ProcessIndex WhoSends(FileIndex sender, FileIndex receiver, const SocketQueue& queue) {
    ProcessIndex best;
    std::size_t most = 0;
    for (const FileIndex file : {sender, receiver}) {
      const auto holders = holders_.find(file);
      if (best >= 0 || holders == holders_.end()) continue;
      for (const Holding& holder : holders->second) {
        std::size_t held = 1;
        for (const QueuedMessage& message : queue.messages) {
          for (const FileIndex right : message.rights) {
            held += NumberIn(holder.process, right) >= 0 ? 1 : 0;
          }
        }
        if (held > most) best = holder.process;
        most = std::max(most, held);
      }
    }
    return best >= 0 ? best : ProcessIndex(0);
  }

  void PlanQueue(const SocketQueue& queue) {
    const FileIndex sender = SenderTo(queue.file);
    if (sender < 0) return;
    const ProcessIndex process = WhoSends(sender, queue.file, queue);
    QueueSetting setting;
    Hold(process, sender);
    for (const QueuedMessage& message : queue.messages) {
      SentMessage sent{message.source, message.bytes, {}};
      for (const FileIndex file : message.rights) sent.rights.push_back(Hold(process, file));
      setting.queue.push_back(std::move(sent));
    }
    LateEntry& entry = snapshot_.late.emplace_back();
    entry.file = sender;
    entry.state = std::move(setting);
    entry.process = process;
  }

  /// A set of epoll(7) that is only in flight is filled by who has its targets.
  void HoldSets() {
    for (const LateEntry& entry : snapshot_.late) {
      if (entry.process >= 0 && std::holds_alternative<EpollTargets>(entry.state)) {
        Hold(entry.process, entry.file);
      }
    }
  }

  /// An end whose peer is gone is made with one, which is closed.
  void PlanVanished() {
    const FileIndex known(snapshot_.files.size());
    for (FileIndex file(0); file < known; ++file) {
      const UnixSocket* socket = FindSocket(file);
      if (socket == nullptr || !(socket->state == kConnected) || socket->connect_to ||
          snapshot_.files[file]->external) {
        continue;
      }
      if (!pair_of_.contains(file)) InventPeer(file);
    }
  }

  /// Whoever has lowered its backlog keeps the connections that were waiting; nobody can connect
  /// them once more.
  void CheckBacklogs() {
    std::unordered_map<std::uint64_t, std::size_t> waiting;
    for (const auto& file : snapshot_.files) {
      const auto* socket = As<UnixSocket>(*file);
      if (socket != nullptr && socket->connect_to && !file->external) {
        ++waiting[socket->connect_to->value];
      }
    }
    for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
      const UnixSocket* socket = FindSocket(FileIndex(i));
      if (socket == nullptr || !socket->backlog) continue;
      const auto found = waiting.find(socket->socket_id.value);
      if (found == waiting.end() || found->second <= *socket->backlog + std::size_t{1}) continue;
      Refuse(FileIndex(i), "has " + std::to_string(found->second) +
                               " connections that wait, and a backlog of " +
                               std::to_string(*socket->backlog) + ", which lets " +
                               std::to_string(*socket->backlog + std::size_t{1}) + " in");
    }
  }

  static Name NameOf(const UnixSocket& socket) {
    return {socket.socket_type.value,
            socket.name->bytes,
            socket.name_directory ? socket.name_directory->bytes : std::string(),
            socket.unlinked_name,
            socket.name_root ? socket.name_root->bytes : std::string(),
            socket.mount ? *socket.mount : 0,
            socket.IsAbstract() && socket.net ? *socket.net : 0};
  }
  /// Whether its name can only be had by bind(2) of one socket, and then by accept(2).
  static bool HasUniqueName(const UnixSocket& socket) {
    return socket.name && !socket.unlinked_name && !IsDatagram(socket);
  }

  /// Ends that bear the name of a listener, or of others, were accepted.
  void PlanAccepts() {
    for (std::size_t i = 0; i < snapshot_.files.size(); ++i) {
      const UnixSocket* socket = FindSocket(FileIndex(i));
      if (socket == nullptr || !socket->name || snapshot_.files[i]->external) continue;
      if (socket->state == kListening) listeners_.emplace(NameOf(*socket), FileIndex(i));
      if (socket->state == kConnected && HasUniqueName(*socket)) ++bearers_[NameOf(*socket)];
    }
    for (SocketPair& pair : snapshot_.socket_pairs) {
      const UnixSocket &one = SocketAt(pair.one), &other = SocketAt(pair.other);
      if (IsDatagram(one)) {
        if (one.state == kUnconnected) std::swap(pair.one, pair.other);
        continue;
      }
      const bool one_accepted = !one.shutdown_before && WasAccepted(one);
      const bool other_accepted = !other.shutdown_before && WasAccepted(other);
      if (one_accepted && other_accepted) {
        Refuse(pair.one, "has the name of a listener, and so has its peer");
      } else if (one_accepted || other.shutdown_before) {
        std::swap(pair.one, pair.other);
        PlanAccept(pair);
      } else if (other_accepted || one.shutdown_before) {
        PlanAccept(pair);
      }
    }
  }

  bool WasAccepted(const UnixSocket& socket) const {
    if (!HasUniqueName(socket)) return false;
    const auto bearers = bearers_.find(NameOf(socket));
    return listeners_.contains(NameOf(socket)) ||
           (bearers != bearers_.end() && bearers->second > 1);
  }

  /// `one` connects, `other` is accepted, by somebody who holds the listener.
  void PlanAccept(const SocketPair& pair) {
    const UnixSocket& accepted = SocketAt(pair.other);
    if (!accepted.name) return Refuse(pair.one, "has a peer without a name, which nobody accepts");
    const FileIndex listener = ListenerOf(accepted);
    auto client = std::make_shared<File>(*snapshot_.files[pair.one]);
    std::get<UnixSocket>(client->body).connect_to =
        SocketReference{SocketAt(listener).socket_id.value};
    snapshot_.files[pair.one] = std::move(client);
    ProcessIndex process;
    for (const FileIndex end : {pair.other, pair.one}) {
      const auto holders = holders_.find(end);
      if (holders == holders_.end()) continue;
      for (const Holding& holder : holders->second) {
        if (NumberIn(holder.process, listener) >= 0) return;
        if (process < 0) process = holder.process;
      }
    }
    if (process >= 0) Hold(process, listener);
  }

  FileIndex ListenerOf(const UnixSocket& accepted) {
    const auto known = listeners_.find(NameOf(accepted));
    if (known != listeners_.end()) return known->second;
    UnixSocket body = accepted;
    body.state = kListening;
    body.backlog = 1;
    const FileIndex listener = Invent(std::move(body));
    listeners_.emplace(NameOf(SocketAt(listener)), listener);
    return listener;
  }

  Snapshot& snapshot_;
  std::vector<TemporarySlot>& temporary_;
  Diagnostics& diag_;
  bool failed_ = false;
  std::uint64_t highest_socket_ = 0;
  std::unordered_map<FileIndex, std::size_t> pair_of_;
  std::unordered_map<std::uint64_t, FileIndex> sender_to_;  ///< by socket id: the first
  std::unordered_map<TableIndex, ProcessIndex> first_of_table_;
  std::unordered_map<FileIndex, std::vector<Holding>> holders_;  ///< ascending by process
  std::unordered_map<TableIndex, std::map<Fd, FileIndex>> used_;
  std::unordered_map<TableIndex, Fd> next_free_;
  std::map<Name, FileIndex> listeners_;
  std::map<Name, std::size_t> bearers_;  ///< how many are connected
};

}  // namespace

bool HasUnixSockets(const Snapshot& snapshot) {
  return std::any_of(snapshot.files.begin(), snapshot.files.end(),
                     [](const auto& file) { return As<UnixSocket>(*file) != nullptr; });
}

Result PlanSockets(Snapshot* snapshot, std::vector<TemporarySlot>* temporary, Diagnostics& diag) {
  return Planner(*snapshot, *temporary, diag).Run();
}

}  // namespace crgen
