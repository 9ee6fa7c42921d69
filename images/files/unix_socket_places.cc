// SPDX-License-Identifier: Apache-2.0
// Where the files of unix sockets' names are: in which mount, and below which root.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "images/files/unix_socket.h"
#include "images/load/loader.h"
#include "model/mount_paths.h"
#include "model/printable.h"

namespace crgen {
namespace {

/// Below which a name may have been bound, of those who have the socket: each in the mount
/// namespace of who has that root.
using Roots = std::map<std::optional<std::uint64_t>, std::set<std::string>>;

std::unordered_map<FileIndex, Roots> RootsOfHolders(const Loader& loader) {
  std::unordered_map<FileIndex, Roots> found;
  for (std::size_t p = 0; p < loader.snapshot.processes.size(); ++p) {
    const Process& process = loader.snapshot.processes[p];
    if (process.table < 0 || process.attributes == nullptr || !process.attributes->fs) continue;
    const FsAttributes& fs = *process.attributes->fs;
    if (fs.root.bytes == "/" || fs.root_unlinked) continue;
    const auto in = loader.MountNamespaceOf(ProcessIndex(p));
    for (const Descriptor& slot : loader.snapshot.tables[process.table].slots) {
      if (As<UnixSocket>(*loader.snapshot.files[slot.file]) == nullptr) continue;
      found[slot.file][in].insert(fs.root.bytes);
    }
  }
  return found;
}

/// Those of `roots` below which a path is that lies in `mount`: where others hide that, if it is
/// nowhere in sight. Empty: a symbolic link is on the way.
std::vector<std::string> RootsIn(const Mount& mount, const MountPaths& paths,
                                 const std::vector<std::string>& roots, const std::string& path,
                                 bool* hidden) {
  std::vector<std::string> seen, behind;
  for (const std::string& root : roots) {
    const std::string whole = root + path;
    if (!IsCanonical(whole)) continue;
    if (paths.MountOf(whole) == &mount) {
      seen.push_back(root);
    } else if (IsBelow(whole, mount.mountpoint.bytes)) {
      behind.push_back(root);
    }
  }
  *hidden = seen.empty();
  return seen.empty() ? behind : seen;
}

/// By file system and what of it they show.
using Shown = std::map<std::pair<std::uint64_t, std::string>, const Mount*>;

Shown ShownBy(const std::vector<Mount>& mounts) {
  Shown shown;
  for (const Mount& mount : mounts) {
    if (mount.superblock) shown.try_emplace({*mount.superblock, mount.root.bytes}, &mount);
  }
  return shown;
}

/// Where else the file `path`, in the namespace of `mount` and in it, is mounted; null: nowhere.
const Mount* MountedElsewhere(const Shown& shown, const Mount& mount, std::string_view path) {
  if (!mount.superblock || !IsBelow(path, mount.mountpoint.bytes)) return nullptr;
  std::string file = mount.root.bytes == "/" ? "" : mount.root.bytes;
  file.append("/").append(PathBelow(path, mount.mountpoint.bytes));
  const auto found = shown.find({*mount.superblock, std::move(file)});
  return found == shown.end() ? nullptr : found->second;
}

}  // namespace

/// A name is looked up from a root and through mounts that may be others by now. The mount of the
/// file is known, and tells what is possible.
void FileLoaderOf<UnixSocket>::FindPlaces(Loader& loader) {
  const auto& root = loader.snapshot.processes.front().attributes;
  if (root == nullptr || root->mounts.empty()) return;
  const MountNamespaces namespaces(root->mounts);
  const Shown shown = ShownBy(root->mounts);
  std::optional<std::unordered_map<FileIndex, Roots>> roots;
  for (Socket& socket : sockets_) {
    UnixSocket& body = socket.body;
    if (socket.file < 0 || socket.is_outside || socket.mount == 0 || !body.HasFile()) continue;
    const bool absolute = body.name->bytes.starts_with('/');
    if (!absolute && !body.name_directory) continue;
    std::string path = body.Path();
    if (path.starts_with("//")) path.erase(0, 1);  // of a relative name that begins in "/"
    const Mount* mount = namespaces.Find(socket.mount);
    if (mount == nullptr) {
      loader.diag.Essential(socket.where + ".mnt_id", "\"" + Printable(path) + "\" is in mount " +
                                                          std::to_string(socket.mount) +
                                                          ", which the tree does not have");
      continue;
    }
    body.mount = loader.MountOf(static_cast<std::int64_t>(socket.mount));
    std::vector<std::string> possible = {""};
    if (absolute) {
      if (!roots) roots = RootsOfHolders(loader);
      const auto& more = (*roots)[socket.file][mount->namespace_id];
      possible.insert(possible.end(), more.begin(), more.end());
    }
    bool hidden = false;
    const auto found = RootsIn(*mount, namespaces.Of(mount->namespace_id), possible, path, &hidden);
    if (found.empty()) continue;
    socket.has_known_root = found.size() == 1;
    if (!found.front().empty()) body.name_root = Text{found.front()};
    if (hidden) body.mount = socket.mount;
    const Mount* elsewhere = MountedElsewhere(shown, *mount, found.front() + path);
    if (elsewhere == nullptr) continue;
    loader.diag.Unsupported(socket.where + ".name",
                            "\"" + Printable(path) + "\" is mounted at " +
                                Printable(elsewhere->mountpoint.bytes) +
                                " too, and a socket gets a new file when it is bound");
  }
}

/// bind(2) begins in the root of who calls it, and the kernel keeps the name as it was given.
void FileLoaderOf<UnixSocket>::WarnOfRoots(Loader& loader) {
  std::unordered_map<FileIndex, const Socket*> named;
  for (const Socket& socket : sockets_) {
    if (socket.file < 0 || !socket.body.HasFile() || socket.has_known_root) continue;
    if (socket.body.name->bytes.starts_with('/')) named.emplace(socket.file, &socket);
  }
  if (named.empty()) return;
  std::set<std::string> said;  // a listener and what it has accepted have one name
  for (std::size_t p = 0; p < loader.snapshot.processes.size(); ++p) {
    const Process& process = loader.snapshot.processes[p];
    if (process.table < 0 || process.attributes == nullptr || !process.attributes->fs) continue;
    const std::string& root = process.attributes->fs->root.bytes;
    if (root == "/") continue;
    for (const Descriptor& slot : loader.snapshot.tables[process.table].slots) {
      const auto found = named.find(slot.file);
      if (found == named.end()) continue;
      const Socket& socket = *found->second;
      named.erase(found);
      const std::string name = Printable(socket.body.name->bytes);
      if (!said.insert(name).second) continue;
      loader.diag.NotRestorable(
          socket.where + ".name",
          "\"" + name + "\", held by process " + std::to_string(loader.snapshot.tree.nodes[p].pid) +
              ", whose root is " + Printable(root) +
              ": no image says below which root it was bound; it comes back as " +
              Printable(socket.body.Path()) + " of the mount namespace's root");
    }
  }
}

}  // namespace crgen
