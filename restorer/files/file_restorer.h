// SPDX-License-Identifier: Apache-2.0
// How each type of open file description, and each kind of late state, gets into the script: one
// specialisation a type.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dsl/commands.h"
#include "model/files/file.h"
#include "model/files/late.h"
#include "preflight/host_files.h"
#include "restorer/arena.h"
#include "restorer/net_spaces.h"
#include "restorer/outside_ids.h"
#include "restorer/script.h"
#include "restorer/terminals.h"
#include "restorer/tree_paths.h"

namespace crgen::restorer {

/// Those that only messages carry when all is built: their numbers in Script::connections.
using CarriedConnections = std::unordered_map<const File*, std::uint32_t>;

/// A pipe that the supervisor has made, because several commands open it.
struct HeldPipe {
  std::array<int, 2> ends;    ///< to read, to write
  std::size_t first_command;  ///< that opens it
};

/// A hard link that the dumper has left.
struct DumpersLink {
  std::string path;
  std::optional<std::uint64_t> mnt;  ///< the mount namespace; absent: the root's
  dev_t device;
  ino_t inode;
};

/// Of which opening a link is held.
inline std::string LinkKey(const Text& path, const Text& link, const Rare<std::uint64_t>& mount) {
  return path.bytes + '\0' + link.bytes + (mount ? '\0' + std::to_string(*mount) : "");
}

/// A folder, from the root of its mount.
struct FolderInMount {
  std::uint64_t mount;
  std::string below;
};

class Cgroups;
class NameRecord;
class UserHolder;
struct MountedName;

/// What the script refers to outside the arena, as names in the service directory.
struct Services {
  int fd = -1;                       ///< /proc/self/fd, where the names are
  int pidfd = -1;                    ///< of the supervisor, to take descriptions over
  HostFiles* files = nullptr;        ///< what preflight has looked at
  const Cgroups* cgroups = nullptr;  ///< those of the plan; null: it has none
  std::vector<std::shared_ptr<MountedName>> mounted_names;  ///< until the tree has mounted them
  std::map<InodeId, std::string> memfds;  ///< objects that the supervisor has made
  std::map<PipeId, HeldPipe> pipes;
  std::map<std::string, int> inherited;          ///< what the caller hands over, by key
  std::map<BpfMapId, int> bpf_maps;              ///< one description of each, among `made`
  std::map<SocketId, UnixSocket> sockets;        ///< all that have a name
  std::map<SocketId, HandedOn> handed_on;        ///< by listeners to their connections
  std::map<SocketId, std::size_t> socket_files;  ///< their places in Script::socket_files
  std::map<SocketId, std::string> name_roots;    ///< for names that no path leads to
  std::map<SocketId, std::size_t> hidden_names;  ///< of which the folder is in `hidden_folders`
  std::vector<FolderInMount> hidden_folders;     ///< by mounts that are mounted later
  std::map<UnlinkedId, std::string> unlinked;    ///< by name: what has no name any more
  std::map<std::string, std::string> linked;     ///< by LinkKey(): what hard links lead to
  std::vector<DumpersLink> links;                ///< to be removed when all is done
  std::map<DeadId, pid_t> dying;                 ///< processes that are to die for PIDFDs
  std::map<FileId, int> made;                    ///< descriptions that it has made
  std::array<int, 2> keeper = {-1, -1};          ///< sockets: what it is to keep, and comes there
  Terminals terminals;
  OutsideIds ids;
  UserHolder* user = nullptr;           ///< of a user namespace of its own; null: it has none
  std::map<std::uint64_t, int> mounts;  ///< by id: mounted nowhere, for the root
  /// Likewise, of those that share events with the caller's: copies that are in their groups.
  std::map<std::uint64_t, int> callers_groups;
  bool own_mounts = false;  ///< the tree's paths are in a namespace of its own
  std::map<std::optional<std::uint64_t>, std::int32_t> spaces;  ///< mount namespaces: numbers
  std::map<std::uint64_t, std::int32_t> space_of;               ///< likewise by mount
  TreePaths paths;                       ///< where its paths lead before that is there
  Pid helper_tid = 0;                    ///< for helpers that load pages
  bool time_namespace = true;            ///< `time` is obeyed
  bool tcp_close = false;                ///< connections come back closed
  bool timed = false;                    ///< steps say when they are done
  const Attributes* networks = nullptr;  ///< with those that are made; null: none, by the plan
  NetDescriptors nets;                   ///< of all, if there are several
  NameRecord* names = nullptr;           ///< of those that are there for a moment
};

/// What a process opens below the service directory to open a file once more.
struct HeldFile {
  std::string name;
  std::string path;  ///< as messages have it
};

/// Where an opening is compiled into: `op` has fd, cloexec and flags already.
struct OpenContext {
  const File& file;
  const Services& services;
  std::int32_t service_fd;
  Arena& arena;
  Op& op;
  const PeerEnd* peer;       ///< null: it is opened alone
  bool taken_over;           ///< a memfd's: the description that the supervisor has created
  const SocketOwner* owner;  ///< of sockets; null: as the process is meanwhile
  const std::map<SocketId, Pid>& listeners;  ///< who listens at a unix socket
  MadeFile* socket_files;                    ///< on the board
  std::int32_t root_fd;                      ///< of the first mount namespace
  std::int32_t folder_fd;                    ///< of the first of Services::hidden_folders
  std::int32_t space;                        ///< the number of that of who opens it
};

/// How a file that its name reaches is opened: from where, and what preflight has seen.
template <typename Body>
void CompileWay(const Body& body, OpenContext& context, FileCheck* check) {
  OpenOp& open = context.op.open;
  const std::string& path = body.path.bytes;
  const std::int32_t space = body.mount ? context.services.space_of.at(*body.mount) : context.space;
  open.directory = body.mount ? context.root_fd + space : AT_FDCWD;
  open.path = context.arena.Text(!body.mount ? path : path == "/" ? "." : path.substr(1));
  check->no_links = body.mount.has_value();
  if (space != 0) return;  // of which it has seen nothing
  const HostFiles& files = *context.services.files;
  const int held = context.file.flags.Has(O_NOFOLLOW) ? files.link(path) : files.file(path);
  if (held >= 0) check->held = context.arena.Text(std::to_string(held));
}

/// Undefined: every type of FileBody has its own, derived from PlainRestorer, with
///   static void Compile(const Body&, OpenContext&);
/// and, of a type that can be locked,
///   static HeldFile Held(const Body&, const Services&);
template <typename Body>
struct FileRestorer;

/// What holds unless a type says otherwise.
template <typename Body>
struct PlainRestorer {
  /// What the supervisor makes before any process exists. The problem, or nothing.
  static std::string Prepare(const File&, const Body&, Services&) { return ""; }
  /// The socket that connections are made to, if it is one that listens.
  static std::optional<SocketId> Listener(const Body&) { return std::nullopt; }
};

/// What late state is compiled with.
struct LateContext {
  const Services& services;
  Arena& arena;
  const CarriedConnections& carried;
};

/// Undefined: every kind of LateState has its own, with
///   static void Compile(Fd, const Late&, const File&, LateContext&, Op&);
/// where the file is what the descriptor refers to.
template <typename Late>
struct LateRestorer;

}  // namespace crgen::restorer
