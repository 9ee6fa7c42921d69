// SPDX-License-Identifier: Apache-2.0
#include "checker/files/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "checker/files/inet_socket.h"
#include "checker/kernel/kernel.h"

namespace crgen::check {
namespace {

constexpr std::size_t kMostName = sizeof(sockaddr_un::sun_path);
constexpr std::size_t kMostRights = 253;  // SCM_MAX_FD
constexpr std::uint64_t kMostBytes = 0x7fffffff;
constexpr std::uint32_t kReceive = 1, kSend = 2, kBoth = kReceive | kSend;

bool IsDatagram(const UnixSocket& socket) { return socket.socket_type.value == SOCK_DGRAM; }

std::string NameOf(SocketId id) { return "socket " + std::to_string(id.value); }

std::optional<Refusal> Invalid(std::string fact) { return Refusal{"EINVAL", std::move(fact)}; }

std::optional<Refusal> RefusedAddress(const UnixSocket& socket) {
  if (!socket.name) {
    if (socket.unlinked_name || socket.name_directory || socket.name_root || socket.mount ||
        socket.permissions) {
      return Invalid("a socket without a name has no file and no directory");
    }
    return std::nullopt;
  }
  const std::string& name = socket.name->bytes;
  if (name.empty() || name.size() > kMostName) {
    return Invalid("the name has " + std::to_string(name.size()) + " bytes, where 1 to " +
                   std::to_string(kMostName) + " are possible");
  }
  if (socket.permissions && (!socket.HasFile() || !S_ISSOCK(socket.permissions->mode) ||
                             socket.permissions->mode > 0177777)) {
    return Invalid("permissions are those of a socket file");
  }
  if (socket.IsAbstract()) {
    if (socket.unlinked_name || socket.name_directory || socket.name_root || socket.mount) {
      return Invalid("an abstract name has no file and no directory");
    }
    return std::nullopt;
  }
  if (name.find('\0') != std::string::npos) return Invalid("the name contains a NUL");
  if (socket.unlinked_name && (socket.name_root || socket.mount)) {
    return Invalid("what no path leads to is below no root and in no mount");
  }
  if (socket.name_root && (name.front() != '/' || !IsCanonical(socket.name_root->bytes) ||
                           socket.name_root->bytes == "/")) {
    return Invalid("name_root is an absolute path, not \"/\", of an absolute name");
  }
  if (!socket.name_directory) {
    if (name.front() == '/' || socket.unlinked_name) return std::nullopt;
    return Invalid("a relative name begins in a name_directory");
  }
  const std::string& directory = socket.name_directory->bytes;
  if (name.front() == '/' || directory.empty() || directory.front() != '/' ||
      directory.find('\0') != std::string::npos) {
    return Invalid("name_directory is an absolute path, of a relative name");
  }
  return std::nullopt;
}

std::optional<Refusal> RefusedState(const UnixSocket& socket) {
  if (socket.state == kListening) {
    if (IsDatagram(socket)) return Refusal{"EOPNOTSUPP", "a datagram socket cannot listen"};
    if (!socket.name) return Invalid("nobody listens without a name");
    if (!socket.backlog) return Invalid("a listening socket has a backlog");
  } else if (socket.backlog) {
    return Invalid("only a listening socket has a backlog");
  }
  if (socket.connect_to && !(socket.state == kConnected)) {
    return Invalid("connect_to connects, and the state is " + ValueText(socket.state));
  }
  if (socket.shutdown_before &&
      (!socket.connect_to || IsDatagram(socket) || socket.shutdown_before->value - 1 >= kBoth)) {
    return Invalid("shutdown_before is of a stream that connects: SHUT_RD, SHUT_WR or SHUT_RDWR");
  }
  return std::nullopt;
}

/// Who gets what the socket sends.
std::optional<Refusal> RefusedSender(const SocketObject& socket) {
  const std::string name = NameOf(socket.opened.socket_id);
  if (const auto listener = socket.listener.lock(); listener != nullptr) return std::nullopt;
  const std::shared_ptr<SocketObject> peer = socket.peer.lock();
  const bool datagram = IsDatagram(socket.opened);
  if (peer == nullptr) {
    if (!(socket.opened.state == kConnected)) {
      return Refusal{"ENOTCONN", name + " is not connected"};
    }
    return Refusal{datagram ? "ECONNREFUSED" : "EPIPE", "the peer of " + name + " is gone"};
  }
  if ((socket.shutdown & kSend) != 0 || (peer->shutdown & kReceive) != 0) {
    return Refusal{"EPIPE", name + " is shut down before it is to send"};
  }
  const std::shared_ptr<SocketObject> theirs = peer->peer.lock();
  if (datagram && theirs != nullptr && theirs.get() != &socket) {
    return Refusal{"EPERM", NameOf(peer->opened.socket_id) + " is connected to another one"};
  }
  return std::nullopt;
}

std::uint32_t SeenByPeer(std::uint32_t shutdown) {
  return ((shutdown & kReceive) != 0 ? kSend : 0) | ((shutdown & kSend) != 0 ? kReceive : 0);
}

}  // namespace

std::optional<Refusal> RefusedNonSocket(const Description& description) {
  if (description.socket != nullptr) return std::nullopt;
  const bool socket =
      std::visit([]<typename Body>(const Body&) { return FileRules<Body>::kIsSocket; },
                 description.file->body);
  return Refusal{socket ? "EOPNOTSUPP" : "ENOTSOCK",
                 "file " + std::to_string(description.file->id.value) + " is a " +
                     std::string(TypeOf(*description.file))};
}

FileRules<UnixSocket>::~FileRules() {
  for (const auto& [id, object] : objects_) {
    if (const auto socket = object.lock(); socket != nullptr) {
      std::vector<SocketMessage> queue = std::move(socket->queue);
      std::vector<SocketMessage> ahead = std::move(socket->ahead);
    }
  }
}

FileRules<UnixSocket>::Name FileRules<UnixSocket>::NameOf(const Kernel& kernel,
                                                          const UnixSocket& socket) {
  if (socket.IsAbstract()) {
    return {socket.socket_type.value, socket.name->bytes, socket.net ? *socket.net : 0};
  }
  const std::string path = socket.Path();
  const MountNamespaces* made = kernel.files.Of<RegularFile>().mounts();
  if (made == nullptr || socket.unlinked_name) return {0, path, 0};
  if (socket.mount) return {0, path, *socket.mount};
  const auto& entered = kernel.executor().attributes->setns;
  return {0, path, made->Of(entered ? entered->mnt : std::nullopt).MountOf(path)->id};
}

std::optional<Refusal> FileRules<UnixSocket>::RefusedMount(const Kernel& kernel,
                                                           const UnixSocket& socket) {
  if (!socket.mount) return std::nullopt;
  const MountNamespaces* made = kernel.files.Of<RegularFile>().mounts();
  if (made != nullptr && made->Find(*socket.mount) != nullptr) return std::nullopt;
  return Invalid("mount " + std::to_string(*socket.mount) + " is none of the root's `mounts`");
}

std::shared_ptr<SocketObject> FileRules<UnixSocket>::Find(SocketId id) const {
  const auto known = objects_.find(id);
  return known == objects_.end() ? nullptr : known->second.lock();
}

std::optional<Refusal> FileRules<UnixSocket>::Check(const File& file,
                                                    const UnixSocket& socket) const {
  if (auto refused = RefusedAnonymousFlags(file.flags)) return refused;
  const std::uint32_t type = socket.socket_type.value;
  if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) {
    return Refusal{"ESOCKTNOSUPPORT", "no unix socket is of type " + ValueText(socket.socket_type)};
  }
  const bool known_state =
      socket.state == kConnected || socket.state == kUnconnected || socket.state == kListening;
  if (!known_state) return Invalid("there is no state " + ValueText(socket.state));
  if (objects_.contains(socket.socket_id)) {
    return Refusal{"EEXIST", check::NameOf(socket.socket_id) + " is another description"};
  }
  if (auto refused = RefusedState(socket)) return refused;
  return RefusedAddress(socket);
}

/// bind(2).
std::optional<Refusal> FileRules<UnixSocket>::RefusedName(const Kernel& kernel,
                                                          const UnixSocket& socket) const {
  if (!socket.name || socket.unlinked_name) return std::nullopt;
  const auto known = names_.find(NameOf(kernel, socket));
  if (known == names_.end()) return std::nullopt;
  const std::shared_ptr<SocketObject> there = known->second.lock();
  if (there == nullptr) return std::nullopt;
  return Refusal{"EADDRINUSE", "the name " + ValueText(*socket.name) + " is that of " +
                                   check::NameOf(there->opened.socket_id)};
}

/// connect(2).
std::optional<Refusal> FileRules<UnixSocket>::RefusedTarget(const UnixSocket& socket,
                                                            const SocketObject* target,
                                                            bool accepted) const {
  if (socket.connect_to->value == socket.socket_id.value && IsDatagram(socket) && socket.name) {
    return std::nullopt;
  }
  const std::string name = "socket " + std::to_string(socket.connect_to->value);
  if (target == nullptr) return Refusal{"ECONNREFUSED", name + " is not there"};
  if (!target->opened.name) return Refusal{"ECONNREFUSED", name + " has no name"};
  if (!(target->opened.socket_type == socket.socket_type)) {
    // Abstract names are looked for among those of the type (unix_find_abstract()).
    return Refusal{target->opened.IsAbstract() ? "ECONNREFUSED" : "EPROTOTYPE",
                   name + " is of type " + ValueText(target->opened.socket_type)};
  }
  if (target->opened.IsAbstract() && !(target->opened.net == socket.net)) {
    return Refusal{"ECONNREFUSED",
                   name + " has an abstract name, and is in another network namespace"};
  }
  if (IsDatagram(socket)) {
    if (target->peer.expired() && !(target->opened.state == kConnected)) return std::nullopt;
    return Refusal{"EPERM", name + " is connected to another one"};
  }
  if (!(target->opened.state == kListening)) {
    return Refusal{"ECONNREFUSED", name + " does not listen"};
  }
  if (accepted && target->pending != 0) {
    return Invalid(name + " has a pending connection, which it would accept instead");
  }
  if (target->pending <= *target->opened.backlog) return std::nullopt;
  return Refusal{"EAGAIN", name + " has " + std::to_string(target->pending) +
                               " pending connections, and a backlog of " +
                               std::to_string(*target->opened.backlog)};
}

/// socketpair(2), or connect(2) and accept(2).
std::optional<Refusal> FileRules<UnixSocket>::RefusedPair(const Kernel& kernel,
                                                          const UnixSocket& socket,
                                                          const UnixSocket& peer) const {
  if (!(socket.socket_type == peer.socket_type)) return Invalid("the ends are of two types");
  if (peer.socket_id == socket.socket_id) return Invalid("the ends have one socket_id");
  if (!(peer.net == socket.net)) return Invalid("the ends are in two network namespaces");
  if (peer.connect_to || peer.shutdown_before) {
    return Invalid("what connects is `file`, not `peer`");
  }
  if (!(socket.state == kConnected)) {
    return Invalid("an end of a pair is not " + ValueText(socket.state));
  }
  if (!(peer.state == kConnected) && !(IsDatagram(peer) && peer.state == kUnconnected)) {
    return Invalid("an end of a pair is not " + ValueText(peer.state));
  }
  if (!socket.connect_to) {
    if (peer.accept_from) return Invalid("accept_from stands beside connect_to");
    const bool same = socket.name && peer.name && !socket.unlinked_name && !peer.unlinked_name &&
                      NameOf(kernel, socket) == NameOf(kernel, peer);
    if (same) return Refusal{"EADDRINUSE", "both ends have the name " + ValueText(*peer.name)};
    return RefusedName(kernel, peer);
  }
  if (IsDatagram(socket)) return Invalid("a datagram socket is not accepted");
  if (!peer.accept_from) return Invalid("a peer of what connects has accept_from");
  const Description* listener = kernel.DescriptionAt(*peer.accept_from);
  if (listener == nullptr) {
    return Refusal{"EBADF", "fd " + std::to_string(*peer.accept_from) + " is not open"};
  }
  if (auto refused = RefusedNonSocket(*listener)) return refused;
  const UnixSocket& from = listener->socket->opened;
  if (from.socket_id.value != socket.connect_to->value) {
    return Invalid("fd " + std::to_string(*peer.accept_from) + " is " +
                   check::NameOf(from.socket_id) + ", not the one that connect_to names");
  }
  if (peer.permissions || !(peer.name == from.name) ||
      !(peer.name_directory == from.name_directory) || !(peer.name_root == from.name_root) ||
      !(peer.mount == from.mount) || peer.unlinked_name != from.unlinked_name) {
    return Invalid("an accepted socket has the name of its listener, and no permissions");
  }
  return std::nullopt;
}

std::optional<Refusal> FileRules<UnixSocket>::CheckOpening(const Kernel& kernel, const File& file,
                                                           const UnixSocket& socket,
                                                           const File* peer) const {
  if (socket.peer_name && !file.external) {
    return Invalid("peer_name is of what comes from outside");
  }
  if (file.external || (peer != nullptr && peer->external)) {
    if (peer == nullptr) return std::nullopt;
    return Invalid("what comes from outside is no end of a pair");
  }
  if (socket.accept_from) return Invalid("accept_from is of a `peer`");
  if (auto refused = RefusedMount(kernel, socket)) return refused;
  if (auto refused = RefusedName(kernel, socket)) return refused;
  if (socket.connect_to) {
    const auto target = Find(SocketId{socket.connect_to->value});
    if (auto refused = RefusedTarget(socket, target.get(), peer != nullptr)) return refused;
  }
  if (peer != nullptr) {
    const auto* other = As<UnixSocket>(*peer);
    if (other == nullptr) return Invalid("the ends are of two types");
    if (auto refused = RefusedMount(kernel, *other)) return refused;
    return RefusedPair(kernel, socket, *other);
  }
  if (socket.state == kConnected && !socket.connect_to) {
    return Invalid("a connected socket takes `peer` or connect_to");
  }
  return std::nullopt;
}

std::shared_ptr<SocketObject> FileRules<UnixSocket>::Make(const Kernel& kernel,
                                                          Description& description,
                                                          const UnixSocket& socket) {
  auto object = std::make_shared<SocketObject>();
  object->opened = socket;
  if (socket.shutdown_before) object->shutdown = socket.shutdown_before->value;
  objects_[socket.socket_id] = object;
  description.socket = object;
  if (socket.accept_from) {
    object->permissions = Find(SocketId{socket.socket_id})->permissions;
    return object;
  }
  object->permissions = std::make_shared<const std::optional<FilePermissions>>(socket.permissions);
  if (socket.name && !socket.unlinked_name && !description.file->external) {
    names_[NameOf(kernel, socket)] = object;
  }
  return object;
}

void FileRules<UnixSocket>::Opened(const Kernel& kernel, Description& description,
                                   const UnixSocket& socket, Description* peer) {
  const std::shared_ptr<SocketObject> object = Make(kernel, description, socket);
  if (peer != nullptr) {
    const UnixSocket& body = std::get<UnixSocket>(peer->file->body);
    const std::shared_ptr<SocketObject> other = Make(kernel, *peer, body);
    object->peer = other;
    if (body.state == kConnected) other->peer = object;
    if (body.accept_from) {
      other->permissions = kernel.DescriptionAt(*body.accept_from)->socket->permissions;
    }
    return;
  }
  if (!socket.connect_to) return;
  const std::shared_ptr<SocketObject> target = Find(SocketId{socket.connect_to->value});
  if (IsDatagram(socket)) {
    object->peer = target;
  } else {
    object->listener = target;
    object->turn = target->pending++;
  }
}

void FileRules<UnixSocket>::Compare(const std::string& where, const UnixSocket& expected,
                                    const UnixSocket& found, Diagnostics& diag) const {
  UnixSocket one = expected, other = found;
  for (UnixSocket* socket : {&one, &other}) {
    socket->socket_id = {};
    socket->connect_to.reset();
    socket->accept_from.reset();
  }
  if (const auto object = Find(found.socket_id); object != nullptr) {
    other.permissions = *object->permissions;
  }
  check::Compare(where, "file", one, other, diag);
}

// ---- late state

std::optional<Refusal> LateRules<QueueSetting>::Check(const Kernel& kernel,
                                                      const Description& description,
                                                      const QueueSetting& setting) {
  if (auto refused = RefusedNonSocket(description)) return refused;
  if (setting.queue.empty()) return Invalid("there is no message");
  const bool stream = description.socket->opened.socket_type.value == SOCK_STREAM;
  for (const SentMessage& message : setting.queue) {
    if (message.bytes > kMostBytes) {
      return Refusal{"EMSGSIZE", "a message of " + std::to_string(message.bytes) + " bytes"};
    }
    if (stream && message.bytes == 0) return Invalid("a piece of a stream has bytes");
    if (message.rights.size() > kMostRights) {
      return Invalid("a message carries at most " + std::to_string(kMostRights) + " descriptors");
    }
    for (const Fd fd : message.rights) {
      if (kernel.DescriptionAt(fd) == nullptr) {
        return Refusal{"EBADF", "fd " + std::to_string(fd) + " is not open"};
      }
    }
  }
  return RefusedSender(*description.socket);
}

void LateRules<QueueSetting>::Apply(const Kernel& kernel, const Description& description,
                                    const QueueSetting& setting) {
  SocketObject& socket = *description.socket;
  const std::shared_ptr<SocketObject> peer = socket.peer.lock();
  std::vector<SocketMessage>& queue = peer == nullptr ? socket.ahead : peer->queue;
  for (const SentMessage& message : setting.queue) {
    SocketMessage sent{message.source, message.bytes, {}};
    for (const Fd fd : message.rights) sent.rights.push_back(kernel.SharedDescriptionAt(fd));
    queue.push_back(std::move(sent));
  }
}

void LateRules<QueueSetting>::Undo(const Description& description) {
  SocketObject& socket = *description.socket;
  const std::shared_ptr<SocketObject> peer = socket.peer.lock();
  std::vector<SocketMessage>& queue = peer == nullptr ? socket.ahead : peer->queue;
  queue.resize(queue.size() - std::get<QueueSetting>(description.late.back()).queue.size());
}

std::optional<Refusal> LateRules<ShutdownSetting>::Check(const Kernel&,
                                                         const Description& description,
                                                         const ShutdownSetting& setting) {
  if (const auto* inet = As<InetSocket>(*description.file)) {
    return RefusedShutdown(*inet, setting);
  }
  if (auto refused = RefusedNonSocket(description)) return refused;
  if (setting.shutdown.value - 1 < kBoth) return std::nullopt;
  return Invalid("shutdown is SHUT_RD, SHUT_WR or SHUT_RDWR");
}

void LateRules<ShutdownSetting>::Apply(const Kernel&, const Description& description,
                                       const ShutdownSetting& setting) {
  if (description.socket == nullptr) return;  // an internet socket: nobody else sees it
  SocketObject& socket = *description.socket;
  socket.earlier_shutdown = {socket.shutdown, 0};
  socket.shutdown |= setting.shutdown.value;
  const auto peer = socket.peer.lock();
  if (IsDatagram(socket.opened) || peer == nullptr) return;
  socket.earlier_shutdown.second = peer->shutdown;
  peer->shutdown |= SeenByPeer(setting.shutdown.value);
}

void LateRules<ShutdownSetting>::Undo(const Description& description) {
  if (description.socket == nullptr) return;
  SocketObject& socket = *description.socket;
  socket.shutdown = socket.earlier_shutdown.first;
  const auto peer = socket.peer.lock();
  if (!IsDatagram(socket.opened) && peer != nullptr) {
    peer->shutdown = socket.earlier_shutdown.second;
  }
}

}  // namespace crgen::check
