// SPDX-License-Identifier: Apache-2.0
// Which unix sockets were bound to a name, and which have theirs from the listener that they were
// accepted from.
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "images/files/unix_socket.h"
#include "images/load/loader.h"
#include "model/printable.h"

namespace crgen {
namespace {

constexpr std::size_t kMostListed = 4;

/// Without empty parts and ".", which change nothing; ".." may be another folder than it seems.
std::string ShortPath(const std::string& path) {
  std::string kept;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (!part.empty() && part != ".") kept += "/" + part;
    at = end + 1;
  }
  return kept;
}

std::string SocketList(const std::vector<std::uint64_t>& inodes) {
  std::string list;
  for (std::size_t i = 0; i < std::min(inodes.size(), kMostListed); ++i) {
    list += (i == 0 ? "" : i + 1 == inodes.size() ? " and " : ", ") + std::to_string(inodes[i]);
  }
  if (inodes.size() <= kMostListed) return list;
  return list + " and " + std::to_string(inodes.size() - kMostListed) + " others";
}

}  // namespace

/// bind(2) gives a name to one socket, as long as it is there; accept(2) gives it to any number.
/// Files can be renamed, and lie below other roots, so that several were bound to one path.
void FileLoaderOf<UnixSocket>::CheckNames(Loader& loader) {
  // A path is that of all types, an abstract name of one type in one network namespace.
  using Address = std::tuple<std::uint64_t, std::uint64_t, std::string>;
  std::map<Address, std::vector<std::size_t>> bearers;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const Socket& socket = sockets_[i];
    const UnixSocket& body = socket.body;
    const bool is_made = socket.file >= 0 && !socket.is_outside && !socket.comes_from_outside;
    if (!is_made || !body.name || body.unlinked_name) continue;
    if (body.IsAbstract()) {
      bearers[{body.socket_type.value, socket.namespace_id, body.name->bytes}].push_back(i);
    } else if (body.name->bytes.starts_with('/') || body.name_directory) {
      bearers[{0, socket.mount, ShortPath(body.Path())}].push_back(i);
    }
  }
  for (const auto& [address, sockets] : bearers) {
    if (sockets.size() > 1) CheckName(sockets, loader);
  }
}

void FileLoaderOf<UnixSocket>::CheckName(const std::vector<std::size_t>& bearers, Loader& loader) {
  const auto body_of = [&](std::size_t i) -> const UnixSocket& { return sockets_[i].body; };
  const auto has_form = [&](std::size_t i, const UnixSocket& of) {
    return body_of(i).socket_type == of.socket_type && body_of(i).name == of.name &&
           body_of(i).name_directory == of.name_directory && body_of(i).name_root == of.name_root;
  };
  // The listener, or one that stands for those that it was accepted with.
  std::vector<std::size_t> bound, connected, others;
  for (const std::size_t i : bearers) {
    const UnixSocket& body = body_of(i);
    const bool may_be_accepted = body.socket_type.value != SOCK_DGRAM && body.state == kConnected &&
                                 !body.connect_to && !body.shutdown_before;
    (may_be_accepted ? connected : bound).push_back(i);
  }
  const std::size_t known = bound.size();
  bool accepts = connected.size() > 1;  // also from a listener that is gone
  for (std::size_t i = 0; i < known && !accepts; ++i) {
    accepts = body_of(bound[i]).state == kListening;
  }
  for (const std::size_t i : connected) {
    const auto from = std::find_if(bound.begin(), bound.end(), [&](std::size_t b) {
      const bool connects = body_of(b).connect_to || body_of(b).shutdown_before;
      return !(body_of(b).state == kUnconnected) && !connects && has_form(i, body_of(b));
    });
    if (!accepts || from == bound.end()) {
      bound.push_back(i);
    } else if (body_of(i).permissions != body_of(*from).permissions) {
      loader.diag.Error(sockets_[i].where + ".file_perms",
                        "not that of socket " + std::to_string(body_of(*from).socket_id.value) +
                            ", which has the same name and so the same file");
    }
  }
  if (bound.size() < 2) return;
  std::vector<std::uint64_t> inodes;
  for (const std::size_t i : bound) inodes.push_back(body_of(i).socket_id.value);
  const std::string name = Printable(body_of(bound[0]).name->bytes);
  const std::string fact = "\"" + name + "\" is the name of sockets " + SocketList(inodes);
  const std::string where = sockets_[bound[1]].where + ".name";
  if (body_of(bound[0]).IsAbstract() && known > 1) {
    loader.diag.Error(where, fact + ", and only one can be bound to it");
  } else if (body_of(bound[0]).IsAbstract()) {
    loader.diag.Essential(where, fact + ", of which one was accepted by a listener that is gone");
  } else {
    loader.diag.Essential(where, fact +
                                     ", each of which was bound to it: files were renamed, or lie "
                                     "below other roots, and no image says which is where");
  }
}

}  // namespace crgen
