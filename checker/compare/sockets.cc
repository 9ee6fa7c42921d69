// SPDX-License-Identifier: Apache-2.0
// The comparison of what is between sockets with a snapshot: peers, and messages on their way.
#include <sys/socket.h>

#include <iterator>
#include <map>
#include <unordered_set>

#include "checker/compare/comparison.h"
#include "checker/compare/difference.h"

namespace crgen::check {
namespace {

std::string SocketText(const SocketObject* socket) {
  return socket == nullptr ? "none" : "socket " + std::to_string(socket->opened.socket_id.value);
}

}  // namespace

/// What is in flight is known by the messages that carry it, so these are followed first.
void Comparison::CompareSockets() {
  std::unordered_map<FileIndex, const SocketQueue*> queue_of;
  for (const SocketQueue& queue : snapshot_.socket_queues) queue_of.emplace(queue.file, &queue);
  std::unordered_set<FileIndex> done;
  for (bool again = true; again;) {
    again = false;
    // Carried descriptions add to the map.
    std::vector<std::pair<FileIndex, const Description*>> known;
    for (const auto& [file, description] : description_of_) {
      if (description->socket != nullptr && done.insert(file).second) {
        known.emplace_back(file, description);
      }
    }
    for (const auto& [file, description] : known) {
      static const SocketQueue kNothing;
      const auto expected = queue_of.find(file);
      const std::string where = "queue of file " + std::to_string(snapshot_.files[file]->id.value);
      CompareQueue(expected == queue_of.end() ? kNothing : *expected->second, *description->socket,
                   where);
      again = true;
    }
  }
  for (const SocketQueue& queue : snapshot_.socket_queues) {
    if (done.contains(queue.file)) continue;
    diag_.Error("queue of file " + std::to_string(snapshot_.files[queue.file]->id.value),
                "expected, the socket is not there");
  }
  ComparePeers();
}

void Comparison::CompareQueue(const SocketQueue& expected, const SocketObject& found,
                              const std::string& where) {
  if (!found.ahead.empty()) {
    diag_.Error(where, "messages sent before anybody accepted: set, not expected");
  }
  if (expected.messages.size() != found.queue.size()) {
    return Differ(where, "messages", std::to_string(expected.messages.size()),
                  std::to_string(found.queue.size()));
  }
  for (std::size_t i = 0; i < expected.messages.size(); ++i) {
    const QueuedMessage& one = expected.messages[i];
    const SocketMessage& other = found.queue[i];
    const std::string message = where + " message " + std::to_string(i);
    Compare(message, "source", one.source, other.source, diag_);
    Compare(message, "bytes", one.bytes, other.bytes, diag_);
    if (one.rights.size() != other.rights.size()) {
      Differ(message, "rights", std::to_string(one.rights.size()),
             std::to_string(other.rights.size()));
      continue;
    }
    for (std::size_t r = 0; r < one.rights.size(); ++r) {
      CompareDescription(message + " right " + std::to_string(r), one.rights[r], *other.rights[r]);
    }
  }
}

void Comparison::ComparePeers() {
  std::unordered_map<FileIndex, FileIndex> peer_of;
  std::unordered_map<std::uint64_t, FileIndex> file_of;
  for (const SocketPair& pair : snapshot_.socket_pairs) {
    peer_of.emplace(pair.one, pair.other);
    peer_of.emplace(pair.other, pair.one);
  }
  for (const auto& [file, description] : description_of_) {
    const auto* socket = As<UnixSocket>(*snapshot_.files[file]);
    if (socket != nullptr) file_of.emplace(socket->socket_id.value, file);
  }
  const auto object_of = [&](FileIndex file) -> const SocketObject* {
    const auto known = description_of_.find(file);
    return known == description_of_.end() ? nullptr : known->second->socket.get();
  };
  // Who is accepted first: the order of the snapshot, and the turn of each.
  std::map<SocketId, std::map<FileIndex, std::size_t>> waiting;
  for (const auto& [file, description] : description_of_) {
    const auto* socket = As<UnixSocket>(*snapshot_.files[file]);
    const SocketObject* found = description->socket.get();
    if (socket == nullptr || found == nullptr) continue;
    const SocketObject *peer = nullptr, *listener = nullptr;
    const auto pair = peer_of.find(file);
    if (socket->connect_to) {
      const auto target = file_of.find(socket->connect_to->value);
      const SocketObject* to = target == file_of.end() ? nullptr : object_of(target->second);
      (socket->socket_type.value == SOCK_DGRAM ? peer : listener) = to;
    } else if (pair != peer_of.end() && socket->state == kConnected) {
      peer = object_of(pair->second);
    }
    const std::string where = "file " + std::to_string(snapshot_.files[file]->id.value);
    const auto has_peer = found->peer.lock(), has_listener = found->listener.lock();
    if (peer != has_peer.get()) {
      Differ(where, "peer", SocketText(peer), SocketText(has_peer.get()));
    }
    if (listener != has_listener.get()) {
      Differ(where, "waits for", SocketText(listener), SocketText(has_listener.get()));
    } else if (listener != nullptr) {
      waiting[listener->opened.socket_id].emplace(file, found->turn);
    }
  }
  for (const auto& [listener, turns] : waiting) {
    for (auto one = turns.begin(), next = std::next(one); next != turns.end(); ++one, ++next) {
      if (one->second < next->second) continue;
      const auto name = [&](FileIndex file) {
        return "file " + std::to_string(snapshot_.files[file]->id.value);
      };
      Differ(name(next->first), "waits for socket " + std::to_string(listener.value),
             "behind " + name(one->first), "before it");
    }
  }
}

}  // namespace crgen::check
