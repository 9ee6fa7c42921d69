// SPDX-License-Identifier: Apache-2.0
#include "images/files/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "images/load/file_checks.h"
#include "images/load/loader.h"
#include "images/load/socket_options.h"
#include "model/files/external.h"
#include "model/files/lockable.h"
#include "model/printable.h"

namespace crgen {
namespace {

constexpr std::uint32_t kExternal = 1, kService = 2, kCallback = 4;  // USK_ flags
constexpr std::size_t kMostName = sizeof(sockaddr_un::sun_path);
constexpr std::size_t kMostRights = 253;  // SCM_MAX_FD
constexpr std::size_t kMostKept = 252;    // CR_SCM_MAX_FD of the dumper, which leaves out the rest
constexpr std::uint32_t kRead = 1, kWrite = 2, kBoth = kRead | kWrite;
constexpr std::uint32_t kMostMode = 0177777;

bool IsConnected(UnixState state) { return state == kConnected; }
bool IsDatagram(const UnixSocket& socket) { return socket.socket_type.value == SOCK_DGRAM; }

/// What shutdown(2) at one end makes of the other.
std::uint32_t SeenByPeer(std::uint32_t shutdown) {
  return ((shutdown & kRead) != 0 ? kWrite : 0) | ((shutdown & kWrite) != 0 ? kRead : 0);
}

/// The address that bind(2) got, if it is one.
void TakeName(const pb::unix_sk_entry& from, const Place& at, UnixSocket* body) {
  std::string name = from.name();
  if (name.empty()) return;
  const bool abstract = name.front() == '\0';
  if (!abstract && name.back() == '\0') name.pop_back();
  if (name.size() > kMostName) {
    at.Error(".name", "has " + std::to_string(name.size()) + " bytes, expected at most " +
                          std::to_string(kMostName));
  }
  if (!abstract && name.find('\0') != std::string::npos) at.Error(".name", "contains a NUL");
  body->name = Text{name};
  if (abstract) return;
  body->unlinked_name = from.deleted();
  if (name.front() != '/' && from.has_name_dir()) {
    body->name_directory = Text{from.name_dir()};
    if (!from.name_dir().starts_with('/') || from.name_dir().find('\0') != std::string::npos) {
      at.Error(".name_dir", "is no absolute path");
    }
  } else if (name.front() != '/' && !from.deleted()) {
    at.Unsupported(".name", "\"" + name + "\" is relative, and to what is not said");
  }
  if (!from.has_file_perms() || body->unlinked_name) return;
  const pb::file_perms_entry& perms = from.file_perms();
  at.AtMost(".file_perms.mode", perms.mode(), kMostMode);
  if (!S_ISSOCK(perms.mode())) at.Error(".file_perms.mode", "is not that of a socket");
  body->permissions = FilePermissions{perms.mode(), perms.uid(), perms.gid()};
}

std::optional<UnixState> StateOf(const pb::unix_sk_entry& from) {
  for (const UnixState state : {kConnected, kUnconnected, kListening}) {
    if (from.state() != state.value) continue;
    if (from.type() == SOCK_DGRAM && state == kListening) return std::nullopt;
    return state;
  }
  return std::nullopt;
}

std::string UnsupportedUse(std::uint32_t flags) {
  if ((flags & kService) != 0) return "unix socket connected to the service of CRIU";
  if ((flags & kCallback) != 0) return "unix socket that a plugin of CRIU restores";
  return (flags & ~kExternal) == 0 ? "" : "unix socket with uflags " + HexText(flags);
}

/// As somebody else can connect to it; absent: nobody can.
std::optional<Text> AbsoluteName(const UnixSocket& socket) {
  if (!socket.name || socket.unlinked_name) return std::nullopt;
  if (socket.IsAbstract()) return socket.name;
  if (!socket.name->bytes.starts_with('/') && !socket.name_directory) return std::nullopt;
  return Text{socket.Path()};
}

/// Whether it may have locks: of others than descriptors of processes the dumper writes none.
/// Of pipes and sockets on their way nothing is said: hardly anybody locks them.
bool MayHaveLocks(const File& file) { return CanBeLeased(file) && !file.flags.Has(O_PATH); }

}  // namespace

void FileLoaderOf<UnixSocket>::LoadObjects(Loader& loader) {
  Diagnostics& diag = loader.diag;
  const ImageKind& kind = ImageKindNamed("SK_QUEUES");
  if (!loader.images.Has(kind)) return;
  ImageReader reader{"", ""};
  if (Failed(loader.images.Open(kind, 0, &reader, diag))) return;
  pb::sk_packet_entry entry;
  std::string_view bytes;
  while (!reader.AtEnd()) {
    if (Failed(reader.Next(&bytes, diag))) return;
    // How much follows is said in the message alone.
    if (Failed(ParseMessage(bytes, reader, &entry, diag))) return;
    Packet packet{reader.Where(), entry.id_for(), reader.offset(), entry.length(), {}};
    if (Failed(reader.Skip(entry.length(), diag))) return;
    for (const pb::scm_entry& scm : entry.scm()) {
      if (scm.type() != SCM_RIGHTS) {
        diag.Unsupported(packet.where + ".scm.type",
                         "ancillary data of type " + std::to_string(scm.type()), Loss::kQueues);
      } else {
        packet.rights.insert(packet.rights.end(), scm.rights().begin(), scm.rights().end());
      }
    }
    if (packet.rights.size() > kMostRights) {
      diag.Error(packet.where + ".scm.rights", std::to_string(packet.rights.size()) +
                                                   " descriptors, expected at most " +
                                                   std::to_string(kMostRights));
      continue;
    }
    packets_.push_back(std::move(packet));
  }
}

Result FileLoaderOf<UnixSocket>::Convert(const pb::file_entry& entry, const ImageReader& at,
                                         Loader& loader, ConvertedFile* file) {
  if (!entry.has_usk()) return MissingMessage(at, kType, loader.diag);
  const pb::unix_sk_entry& from = entry.usk();
  const Place place(at, loader.diag, "usk");
  UnixSocket body;
  body.socket_id.value = from.ino();
  body.socket_type = SocketType{from.type()};
  body.net = loader.NetOf(from.ns_id());
  TakeDescription("usk", from, file);
  file->unsupported = UnsupportedUse(from.uflags());
  const bool known_type =
      from.type() == SOCK_STREAM || from.type() == SOCK_DGRAM || from.type() == SOCK_SEQPACKET;
  if (!known_type) {
    return loader.diag.Fail(at.Where("usk.type"),
                            std::to_string(from.type()) + " is no type of a unix socket");
  }
  const bool outside = (from.uflags() & kExternal) != 0;
  const auto state = outside ? kUnconnected : StateOf(from);
  if (!state) {
    return loader.diag.Fail(at.Where("usk.state"),
                            std::to_string(from.state()) + " is no state of such a unix socket");
  }
  body.state = *state;
  if (body.state == kListening) {
    body.backlog = from.backlog();
    if (from.name().empty()) place.Error(".name", "empty: nobody listens without a name");
  }
  if (!outside) CheckAnonymousFlags(from.flags(), place);
  place.AtMost(".shutdown", from.shutdown(), kBoth);
  TakeName(from, place, &body);
  if (file->unsupported.empty() && !outside) {
    SocketOptions options = LocalSocketOptionsOf(from.opts(), place);
    if (options != SocketOptions()) file->late.push_back(SocketOptionsSetting{std::move(options)});
  }
  const std::size_t index = sockets_.size();
  if (!by_inode_.emplace(from.ino(), index).second) {
    return loader.diag.Fail(at.Where("usk.ino"), std::to_string(from.ino()) + " stands twice");
  }
  by_file_id_.emplace(entry.id(), index);
  sockets_.push_back({entry.id(),
                      from.peer(),
                      from.shutdown(),
                      from.ns_id(),
                      at.Where("usk"),
                      {},
                      outside,
                      false,
                      body,
                      from.mnt_id() > 0 ? static_cast<std::uint64_t>(from.mnt_id()) : 0});
  file->body = std::move(body);
  return Result::kOk;
}

void FileLoaderOf<UnixSocket>::Finish(Loader& loader) {
  FindFiles(loader);
  FindPlaces(loader);
  CheckNamespaces(loader);
  JoinPeers(loader);
  AddQueues(loader);
  KeepInFlight(loader);
  CheckPeers(loader);
  CheckNames(loader);
  WarnOfRoots(loader);
  Warn(loader);
}

void FileLoaderOf<UnixSocket>::FindFiles(Loader& loader) {
  for (Socket& socket : sockets_) {
    const auto known = loader.files.find(socket.id);
    if (known != loader.files.end() && known->second.type == kType) {
      socket.file = known->second.file;
    }
  }
}

void FileLoaderOf<UnixSocket>::CheckNamespaces(Loader& loader) {
  for (const Socket& socket : sockets_) {
    if (socket.file >= 0) loader.CheckSocketNamespace(socket.namespace_id, socket.where);
  }
}

void FileLoaderOf<UnixSocket>::JoinPeers(Loader& loader) {
  for (const Socket& socket : sockets_) {
    if (socket.peer != 0) peers_.insert(socket.peer);
  }
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (sockets_[i].file >= 0 && !sockets_[i].is_outside) JoinPeer(i, loader);
  }
  for (const Socket& socket : sockets_) {
    if (socket.file < 0) continue;
    std::shared_ptr<const File>& file = loader.snapshot.files[socket.file];
    auto joined = std::make_shared<File>(*file);
    joined->body = socket.body;
    if (socket.comes_from_outside || socket.is_outside)
      joined->external = SocketKey(socket.body.socket_id.value);
    file = std::move(joined);
    if (socket.shutdown != 0) {
      loader.snapshot.late.push_back({socket.file, ShutdownSetting{{socket.shutdown}}});
    }
  }
}

void FileLoaderOf<UnixSocket>::JoinPeer(std::size_t index, Loader& loader) {
  Socket& socket = sockets_[index];
  UnixSocket& body = socket.body;
  Diagnostics& diag = loader.diag;
  const bool datagram = IsDatagram(body);
  if (datagram) {
    // connect(2) also makes the state of the socket that is connected to, which has a name.
    const bool was_connected = IsConnected(body.state) && !peers_.contains(body.socket_id.value);
    const bool has_lost_peer = socket.peer == 0 && was_connected && !body.name;
    unclear_peers_ += socket.peer == 0 && was_connected && body.name ? 1 : 0;
    body.state = socket.peer != 0 || has_lost_peer ? kConnected : kUnconnected;
  }
  if (socket.peer == 0) {
    if (datagram || !IsConnected(body.state)) return;
    // The peer has gone, which is a shutdown in both directions.
    if (socket.shutdown != kBoth) {
      diag.Unsupported(socket.where + ".peer", "the peer of the connection is not in the dump");
    }
    socket.shutdown = 0;
    return;
  }
  if (!IsConnected(body.state)) {
    diag.Error(socket.where + ".peer", "a socket that is not connected has none");
    return;
  }
  const auto found = by_inode_.find(socket.peer);
  if (found == by_inode_.end() || sockets_[found->second].is_outside) {
    socket.comes_from_outside = true;
    if (found != by_inode_.end()) body.peer_name = AbsoluteName(sockets_[found->second].body);
    if (!body.peer_name) body.permissions.reset();  // nobody makes it anew
    return;
  }
  if (sockets_[found->second].file < 0) {
    diag.Unsupported(socket.where + ".peer",
                     "socket " + std::to_string(socket.peer) + ", the peer, is not supported");
    return;
  }
  Socket& peer = sockets_[found->second];
  const bool is_near = body.net == peer.body.net;
  if (!(peer.body.socket_type == body.socket_type)) {
    diag.Error(socket.where + ".peer", "is of another type");
  } else if (!is_near && peer.body.IsAbstract()) {
    diag.Error(socket.where + ".peer", "has an abstract name in another network namespace");
  } else if (!is_near && (peer.peer == body.socket_id.value || !peer.body.name)) {
    // Both ends of what socketpair(2) or accept(2) gives are in one.
    loader.UnsupportedContainer(
        socket.where + ".peer",
        "socket " + std::to_string(socket.peer) + ", the other end, in another network namespace");
  } else if (peer.peer == body.socket_id.value && &peer != &socket) {
    if (found->second > index) SettlePair(socket, peer, loader);
  } else if (datagram && peer.peer != 0 && &peer != &socket) {
    diag.Unsupported(socket.where + ".peer",
                     "socket " + std::to_string(socket.peer) + ", which has left for another one");
  } else if (datagram ? peer.body.name.has_value() : peer.body.state == kListening) {
    body.connect_to = SocketReference{peer.body.socket_id.value};
  } else if (datagram) {
    loader.snapshot.socket_pairs.push_back({socket.file, peer.file});
  } else {
    diag.Error(socket.where + ".peer", "socket " + std::to_string(socket.peer) +
                                           " neither listens nor is connected to this one");
  }
}

/// Both ends see each shutdown(2), so it is said once; but for what came before connect(2).
void FileLoaderOf<UnixSocket>::SettlePair(Socket& one, Socket& other, Loader& loader) {
  loader.snapshot.socket_pairs.push_back({one.file, other.file});
  if (IsDatagram(one.body)) return;
  const std::uint32_t ones = one.shutdown, others = other.shutdown;
  const std::uint32_t one_before = ones & ~SeenByPeer(others);
  const std::uint32_t other_before = others & ~SeenByPeer(ones);
  if (one_before != 0 && other_before != 0) {
    loader.diag.Error(one.where + ".shutdown",
                      "fits that of socket " + std::to_string(one.peer) + " in neither direction");
  }
  if (one_before != 0) one.body.shutdown_before = Shutdown{one_before};
  if (other_before != 0) other.body.shutdown_before = Shutdown{other_before};
  const std::uint32_t closed = ones & ~one_before;
  if (closed == kBoth) {
    one.shutdown = kBoth;
    other.shutdown = 0;
  } else {  // by who sends no more
    one.shutdown = closed & kWrite;
    other.shutdown = SeenByPeer(closed) & kWrite;
  }
}

bool FileLoaderOf<UnixSocket>::TakeRights(const Packet& packet, Loader& loader,
                                          std::vector<FileIndex>* files) {
  for (const std::uint32_t id : packet.rights) {
    const auto* file = loader.FindFile(id, [&] { return packet.where + ".scm.rights"; });
    if (file == nullptr) return false;
    if (file->file < 0) {
      loader.diag.Unsupported(packet.where + ".scm.rights",
                              "a message that carries " + loader.unsupported_files.at(id).what,
                              Loss::kQueues);
      return false;
    }
    files->push_back(file->file);
  }
  return true;
}

void FileLoaderOf<UnixSocket>::AddQueues(Loader& loader) {
  constexpr std::string_view kImage = "sk-queues.img";
  std::map<FileIndex, SocketQueue> queues;
  for (const Packet& packet : packets_) {
    const auto found = by_file_id_.find(packet.receiver);
    if (found == by_file_id_.end()) {
      if (!loader.files.contains(packet.receiver)) {
        loader.diag.Error(packet.where + ".id_for",
                          "no file " + std::to_string(packet.receiver) + " in files.img");
      } else {
        loader.diag.Unsupported(packet.where, "a message queued in a socket that is no unix socket",
                                Loss::kQueues);
      }
      continue;
    }
    const Socket& receiver = sockets_[found->second];
    if (receiver.file < 0) {
      loader.diag.Unsupported(packet.where, "a message queued in a unix socket", Loss::kQueues);
      continue;
    }
    if (receiver.comes_from_outside) {
      loader.diag.Unsupported(packet.where,
                              "a message in a socket that the caller of a restore hands over",
                              Loss::kQueues);
      continue;
    }
    if (receiver.body.state == kListening) {
      loader.diag.Error(packet.where + ".id_for", "a listening socket receives nothing");
      continue;
    }
    QueuedMessage message{{std::string(kImage), packet.offset}, packet.bytes, {}};
    if (!TakeRights(packet, loader, &message.rights)) continue;
    SocketQueue& queue = queues[receiver.file];
    queue.file = receiver.file;
    queue.messages.push_back(std::move(message));
  }
  for (auto& [file, queue] : queues) loader.snapshot.socket_queues.push_back(std::move(queue));
}

/// What is in flight is there although nobody has a descriptor of it; what is in flight in what
/// nobody can receive is not.
void FileLoaderOf<UnixSocket>::KeepInFlight(Loader& loader) {
  std::vector<SocketQueue>& queues = loader.snapshot.socket_queues;
  std::unordered_map<FileIndex, const SocketQueue*> queue_of;
  for (const SocketQueue& queue : queues) queue_of.emplace(queue.file, &queue);
  std::vector<FileIndex> reached;
  for (const SocketQueue& queue : queues) {
    if (loader.has_descriptor[queue.file]) reached.push_back(queue.file);
  }
  while (!reached.empty()) {
    const auto queue = queue_of.find(reached.back());
    reached.pop_back();
    if (queue == queue_of.end()) continue;
    for (const QueuedMessage& message : queue->second->messages) {
      for (const FileIndex file : message.rights) {
        if (loader.has_descriptor[file]) continue;
        loader.has_descriptor[file] = true;
        carried_with_locks_ += MayHaveLocks(*loader.snapshot.files[file]) ? 1 : 0;
        reached.push_back(file);
      }
    }
  }
  std::erase_if(queues, [&](const SocketQueue& queue) {
    if (loader.has_descriptor[queue.file]) return false;
    loader.diag.Warning("sk-queues.img",
                        "messages for file " +
                            std::to_string(loader.snapshot.files[queue.file]->id.value) +
                            ", which nobody has: left out");
    return true;
  });
}

/// A socket that nobody has is closed: nobody is connected to its name, or waits for it.
void FileLoaderOf<UnixSocket>::CheckPeers(Loader& loader) {
  for (const Socket& socket : sockets_) {
    if (socket.file < 0 || !socket.body.connect_to || !loader.has_descriptor[socket.file]) continue;
    if (loader.has_descriptor[sockets_[by_inode_.at(socket.peer)].file]) continue;
    loader.diag.Error(socket.where + ".peer",
                      "socket " + std::to_string(socket.peer) +
                          ", which nobody has: it is in no descriptor table and in no message");
  }
}

void FileLoaderOf<UnixSocket>::Warn(Loader& loader) {
  std::size_t connections = 0, messages = 0, unclear_places = 0, full = 0;
  for (const Socket& socket : sockets_) {
    if (socket.file < 0 || IsDatagram(socket.body)) continue;
    connections += socket.body.state == kUnconnected ? 0 : 1;
  }
  for (const SocketQueue& queue : loader.snapshot.socket_queues) {
    messages += queue.messages.size();
    full += static_cast<std::size_t>(std::ranges::count_if(
        queue.messages, [](const auto& one) { return one.rights.size() == kMostKept; }));
    const auto* receiver = As<UnixSocket>(*loader.snapshot.files[queue.file]);
    if (receiver == nullptr || receiver->socket_type.value != SOCK_STREAM) continue;
    for (const QueuedMessage& message : queue.messages) {
      unclear_places += !message.rights.empty() && message.bytes > 1 ? 1 : 0;
    }
  }
  if (connections != 0) {
    loader.diag.NotRestorable(
        "files.img", std::to_string(connections) +
                         " of type UNIXSK: no image says who made the connection "
                         "(SO_PEERCRED); they come back with the process that makes them anew");
  }
  if (carried_with_locks_ != 0) {
    loader.diag.NotRestorable("sk-queues.img",
                              std::to_string(carried_with_locks_) +
                                  " files that only messages carry: no image has their locks and "
                                  "leases; they come back without");
  }
  if (unclear_peers_ != 0) {
    loader.diag.NotRestorable(
        "files.img",
        std::to_string(unclear_peers_) +
            " datagram sockets with a name: no image says whether they are connected to one that "
            "is gone, or somebody was connected to them; they come back unconnected");
  }
  if (unclear_places != 0) {
    loader.diag.NotRestorable(
        "sk-queues.img", std::to_string(unclear_places) +
                             " pieces of streams carry descriptors: no image says with which of "
                             "their bytes; they come back with the first");
  }
  if (full != 0) {
    loader.diag.NotRestorable(
        "sk-queues.img", std::to_string(full) + " messages carry " + std::to_string(kMostKept) +
                             " descriptors: the dumper keeps no more, and one more may have been "
                             "sent; they come back without");
  }
  if (messages != 0) {
    loader.diag.NotRestorable(
        "sk-queues.img", std::to_string(messages) +
                             " messages: no image has the address and the credentials of who sent "
                             "them; they come back with those of the restorer");
  }
}

}  // namespace crgen
