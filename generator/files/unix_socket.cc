// SPDX-License-Identifier: Apache-2.0
#include "generator/files/unix_socket.h"

#include <sys/socket.h>

#include <map>
#include <utility>

namespace crgen {

void FilePlanner<UnixSocket>::PlanOpenings(Openings& openings) {
  const Snapshot& snapshot = context_.snapshot;
  for (std::size_t i = 0; i < snapshot.files.size(); ++i) {
    const auto* socket = As<UnixSocket>(*snapshot.files[i]);
    if (socket != nullptr) {
      file_of_.emplace(socket->socket_id.value, FileIndex(i));
    }
  }
  if (file_of_.empty()) return;
  for (const SocketPair& pair : snapshot.socket_pairs) openings.Pair(pair.one, pair.other);
  std::map<FileIndex, Clients> clients;
  for (std::size_t i = 0; i < snapshot.files.size(); ++i) {
    const FileIndex file(i);
    const auto* socket = As<UnixSocket>(*snapshot.files[i]);
    if (socket == nullptr || !socket->connect_to) continue;
    const auto target = file_of_.find(socket->connect_to->value);
    if (target == file_of_.end() || target->second == file) continue;
    openings.Need(file, target->second);
    if (socket->socket_type.value == SOCK_DGRAM) continue;  // nobody accepts
    Clients& of_target = clients[target->second];
    (openings.PeerOf(file) >= 0 ? of_target.accepted : of_target.waiting).push_back(file);
  }
  for (const auto& [target, of_target] : clients) KeepOrder(of_target, openings);
}

/// A listener accepts whoever has waited longest: so all that it has accepted come before any that
/// waits, and these one after another, whichever processes connect.
void FilePlanner<UnixSocket>::KeepOrder(const Clients& clients, Openings& openings) {
  if (clients.waiting.empty()) return;
  const auto chain = [&](const std::vector<FileIndex>& files) {
    for (std::size_t i = 1; i < files.size(); ++i) openings.Need(files[i], files[i - 1]);
  };
  chain(clients.accepted);
  chain(clients.waiting);
  if (clients.accepted.empty()) return;
  openings.Need(clients.waiting.front(), clients.accepted.back());
}

Result FilePlanner<UnixSocket>::Open(const OpeningSite& site,
                                     const std::shared_ptr<const File>& file,
                                     const UnixSocket& socket, Diagnostics& diag) {
  OpenFile open{site.fd, file, site.cloexec, site.peer};
  if (site.peer == nullptr) {
    context_.out.Emit(site.pid, std::move(open));
    return Result::kOk;
  }
  const auto& other = std::get<UnixSocket>(site.peer->file->body);
  if (other.connect_to || socket.state == kUnconnected) {  // the one that connects comes first
    open = {site.peer->fd, site.peer->file, site.peer->cloexec,
            std::make_shared<PeerEnd>(PeerEnd{site.fd, file, site.cloexec})};
  }
  const auto& client = std::get<UnixSocket>(open.file->body);
  if (client.connect_to) {
    auto accepted = std::make_shared<File>(*open.peer->file);
    auto& body = std::get<UnixSocket>(accepted->body);
    const Fd listener = site.number_of(file_of_.at(client.connect_to->value));
    if (listener < 0) {
      return diag.Fail("file " + std::to_string(accepted->id.value),
                       "is accepted by a process that does not hold the listener");
    }
    body.accept_from = listener;
    body.permissions.reset();  // those of the listener
    open.peer =
        std::make_shared<PeerEnd>(PeerEnd{open.peer->fd, std::move(accepted), open.peer->cloexec});
  }
  context_.out.Emit(site.pid, std::move(open));
  return Result::kOk;
}

}  // namespace crgen
