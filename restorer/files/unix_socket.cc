// SPDX-License-Identifier: Apache-2.0
#include "restorer/files/unix_socket.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "dsl/descriptor_tables.h"
#include "dsl/references.h"
#include "model/printable.h"
#include "preflight/socket_files.h"
#include "restorer/late_files.h"
#include "restorer/problem.h"
#include "restorer/user_namespace.h"

namespace crgen::restorer {
namespace {

bool NeedsRoot(const UnixSocket& socket) {
  return socket.name && socket.unlinked_name && !socket.accept_from;
}

/// The folder of the name, as an absolute path; whole: from the root of the mount namespace.
std::string FolderOf(const std::string& path) {
  const std::size_t last = path.rfind('/');
  return last == 0 ? "/" : path.substr(0, last);
}

/// As the address has it: where it begins is a descriptor, or a root of its own.
std::string FolderInName(const UnixSocket& socket) {
  const std::string& name = socket.name->bytes;
  return FolderOf(name.starts_with('/') ? name : "/" + name);
}

/// Where the file of the name is looked up.
void FindPlace(const UnixSocket& socket, const OpenContext& context, SocketName* name) {
  const Services& services = context.services;
  Arena& arena = context.arena;
  const auto hidden = services.hidden_names.find(socket.socket_id);
  if (hidden == services.hidden_names.end()) {
    if (socket.mount && services.own_mounts) {
      name->from = context.root_fd + services.space_of.at(*socket.mount);
    }
    if (socket.name_root) name->below = arena.Text(socket.name_root->bytes);
    return;
  }
  const std::int32_t folder = context.folder_fd + static_cast<std::int32_t>(hidden->second);
  const std::string path = FolderInName(socket);
  name->directory = nullptr;
  if (path == "/") {  // of a relative name: where it is
    name->hidden = folder;
    if (socket.name->bytes.starts_with('/')) name->from = folder;
    return;
  }
  name->hidden = folder;
  name->root = arena.Text(services.name_roots.at(socket.socket_id));
  name->parent = arena.Text(FolderOf(path));
  name->link = arena.Text(path);
  if (!socket.name->bytes.starts_with('/')) name->directory = arena.Text("/");
}

/// nullptr: it has none.
const SocketName* NameOf(const UnixSocket& socket, const OpenContext& context) {
  const Services& services = context.services;
  Arena& arena = context.arena;
  if (!socket.name) return nullptr;
  const std::string& bytes = socket.name->bytes;
  SocketName* name = arena.New<SocketName>();
  sockaddr_un* address = arena.New<sockaddr_un>();
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, bytes.data(), bytes.size());
  name->address = address;
  name->length = static_cast<std::uint32_t>(offsetof(sockaddr_un, sun_path) + bytes.size());
  name->has_file = !socket.IsAbstract();
  name->path = arena.Text(name->has_file ? bytes : "@" + Printable(bytes.substr(1)));
  name->from = name->hidden = -1;
  if (!name->has_file) return name;
  const bool relative = !bytes.starts_with('/');
  if (relative) {
    name->directory =
        arena.Text(socket.name_directory ? socket.name_directory->bytes : std::string("/"));
  }
  const std::string path = relative ? socket.Path() : bytes;
  name->folder = arena.Text(FolderOf(path));
  name->base = arena.Text(path.substr(path.rfind('/') + 1));
  FindPlace(socket, context, name);
  const auto number = services.socket_files.find(socket.socket_id);
  if (number != services.socket_files.end()) name->made = context.socket_files + number->second;
  if (socket.unlinked_name) name->root = arena.Text(services.name_roots.at(socket.socket_id));
  if (socket.permissions) {
    name->has_permissions = true;
    name->mode = socket.permissions->mode;
    name->uid = socket.permissions->uid;
    name->gid = socket.permissions->gid;
  }
  return name;
}

/// A file system that the restore has made is gone with all that was in it.
/// `in`: the mount in which it lies, if others hide that.
void RemoveMade(const std::string& path, const MadeFile& made, const preflight::RootView& root,
                const Mount* in) {
  if (in == nullptr && root.IsMadeLater(path)) return;
  const std::size_t last = path.rfind('/');
  const std::string folder_path = path.substr(0, last + 1);
  // Also behind links that others have made: the file tells whether it is the right place.
  const int folder = in != nullptr  ? root.OpenIn(*in, folder_path, O_DIRECTORY)
                     : root.IsOwn() ? OpenPath(AT_FDCWD, folder_path, O_DIRECTORY, 0)
                                    : root.Open(folder_path, O_DIRECTORY);
  if (folder < 0) return;
  const char* base = path.c_str() + last + 1;
  struct stat now;
  const auto is_made = [&] {
    if (fstatat(folder, base, &now, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (made.state == MadeFile::kMade) {
      const dev_t device = makedev(made.device_major, made.device_minor);
      return S_ISSOCK(now.st_mode) && now.st_dev == device && now.st_ino == made.inode;
    }
    const std::string name = "/proc/self/fd/" + std::to_string(folder) + "/" + base;
    return now.st_uid == made.uid && LookAtName(name) == NameState::kStale;
  };
  if (is_made()) unlinkat(folder, base, 0);
  close(folder);
}

/// Which processes are in another mount namespace than the root.
using Entered = std::unordered_map<Pid, std::uint64_t>;

void Follow(const Command& command, Entered* entered) {
  if (const auto* fork = std::get_if<Fork>(&command.body)) {
    const auto parent = entered->find(command.pid);
    entered->erase(fork->child_pid);
    if (parent != entered->end()) entered->emplace(fork->child_pid, parent->second);
  }
  const auto* set = std::get_if<SetAttr>(&command.body);
  if (set == nullptr || !set->attributes->setns) return;
  entered->erase(command.pid);
  if (set->attributes->setns->mnt) entered->emplace(command.pid, *set->attributes->setns->mnt);
}

/// Calls `use(socket, in)` for those whose names are files that the program makes; `in`: the mount
/// namespace of who opens it.
template <typename Use>
void ForEachSocketFile(const Program& program, Use&& use) {
  Entered entered;
  for (const Command& command : program) {
    Follow(command, &entered);
    const auto* open = std::get_if<OpenFile>(&command.body);
    if (open == nullptr) continue;
    const auto known = entered.find(command.pid);
    const auto in = known == entered.end() ? std::nullopt : std::optional(known->second);
    ForEachOpened(*open, [&](Fd, const File& file, bool) {
      const auto* socket = As<UnixSocket>(file);
      const bool made = socket != nullptr && socket->HasFile() && !socket->accept_from;
      if (made && !file.external) use(*socket, in);
    });
  }
}

}  // namespace

int MakeNameRoot(const OutsideIds& ids) {
  const int context = static_cast<int>(syscall(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  if (context < 0) return -1;
  int root = -1;
  if (syscall(__NR_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
    root = static_cast<int>(syscall(__NR_fsmount, context, FSMOUNT_CLOEXEC, 0));
  }
  close(context);
  if (root < 0 || !ids.user) return root;
  const FirstIds first(*ids.user);
  if (fchownat(root, "", ids.Uid(first.uid), ids.Gid(first.gid), AT_EMPTY_PATH) == 0) return root;
  close(root);
  return -1;
}

/// proc(5) in such a root: what is in it can then be a link to what has no path.
static bool MountProcIn(int root) {
  if (mkdirat(root, kNameProc, 0700) != 0) return false;
  const int proc =
      static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, "/proc", OPEN_TREE_CLONE | O_CLOEXEC));
  if (proc < 0) return false;
  const bool moved =
      syscall(SYS_move_mount, proc, "", root, kNameProc, MOVE_MOUNT_F_EMPTY_PATH) == 0;
  close(proc);
  return moved;
}

std::string FileRestorer<UnixSocket>::Prepare(const File&, const UnixSocket& socket,
                                              Services& services) {
  if (!socket.name || socket.accept_from) return "";
  services.sockets.emplace(socket.socket_id, socket);
  bool linked = false;
  if (socket.mount && services.own_mounts) {
    const auto below = services.paths.HiddenIn(*socket.mount, FolderOf(socket.Path()));
    if (below) {
      services.hidden_names.emplace(socket.socket_id, services.hidden_folders.size());
      services.hidden_folders.push_back({*socket.mount, *below});
      linked = FolderInName(socket) != "/";
    }
  }
  if (!NeedsRoot(socket) && !linked) return "";
  const int root = MakeNameRoot(services.ids);
  if (root < 0) return ErrorText("fsmount of a tmpfs, for the name of a unix socket");
  services.name_roots.emplace(socket.socket_id, std::to_string(root));
  if (!linked || MountProcIn(root)) return "";
  return ErrorText("mount of a proc(5), for the hidden name " + Printable(socket.Path()));
}

void FileRestorer<UnixSocket>::Compile(const UnixSocket& socket, OpenContext& context) {
  SocketOp* op = context.arena.New<SocketOp>();
  op->type = static_cast<std::int32_t>(socket.socket_type.value);
  op->end = {context.op.open.fd, context.op.open.flags, context.op.open.cloexec,
             NameOf(socket, context)};
  op->backlog = socket.backlog ? static_cast<std::int32_t>(*socket.backlog) : -1;
  op->shutdown_before =
      socket.shutdown_before ? static_cast<std::int32_t>(socket.shutdown_before->value) : 0;
  op->accept_from = -1;
  const auto hands_on = [&](SocketId listener) {
    const auto known = context.services.handed_on.find(listener);
    op->handed_on = known == context.services.handed_on.end() ? HandedOn{} : known->second;
  };
  if (socket.backlog) hands_on(socket.socket_id);
  op->owner = context.owner;
  op->peer.fd = -1;
  if (socket.connect_to) {
    const SocketId target{socket.connect_to->value};
    const auto listener = context.listeners.find(target);
    if (listener != context.listeners.end()) op->target_pid = listener->second;
    op->target = NameOf(context.services.sockets.at(target), context);
  }
  if (context.peer != nullptr) {
    const UnixSocket& peer = std::get<UnixSocket>(context.peer->file->body);
    op->peer = {context.peer->fd, static_cast<std::uint32_t>(context.peer->file->flags.bits),
                context.peer->cloexec, nullptr};
    if (peer.accept_from) {
      op->accept_from = *peer.accept_from;
      hands_on(SocketId{socket.connect_to->value});
    } else {
      op->peer.name = NameOf(peer, context);
    }
    op->peer_unconnected = peer.state == kUnconnected;
  }
  context.op.kind = OpKind::kOpenSocket;
  context.op.socket = op;
}

void LateRestorer<QueueSetting>::Compile(Fd fd, const QueueSetting& setting, const File&,
                                         LateContext& context, Op& op) {
  std::vector<MessageOp> messages;
  for (const SentMessage& message : setting.queue) {
    MessageOp to = {};
    to.image =
        context.arena.Text(std::to_string(context.services.files->image(message.source.image)));
    to.offset = message.source.offset;
    to.bytes = message.bytes;
    to.rights = context.arena.Copy(message.rights);
    to.right_count = static_cast<std::uint32_t>(message.rights.size());
    messages.push_back(to);
  }
  op.kind = OpKind::kSend;
  op.send = {fd, context.arena.Copy(messages), static_cast<std::uint32_t>(messages.size())};
}

std::map<SocketId, HandedOn> FindHandedOn(const Program& program) {
  std::map<SocketId, HandedOn> found;
  const auto of = [](const LateState& state) {
    const auto* set = std::get_if<SocketOptionsSetting>(&state);
    if (set == nullptr) return HandedOn{};
    return HandedOn{set->options.so_passcred.value_or(false),
                    set->options.so_passsec.value_or(false)};
  };
  const auto any = [&](const DescriptorState& late) {
    const HandedOn it = of(late.state);
    return it.passcred || it.passsec;
  };
  const auto sets_any = [&](const Command& command) {
    return HasLateState(command) &&
           std::ranges::any_of(std::get<SetAttr>(command.body).attributes->descriptors, any);
  };
  if (std::ranges::none_of(program, sets_any)) return found;
  for (const auto& [command, files] : FindLateFiles(program)) {
    const auto& states = std::get<SetAttr>(program[command].body).attributes->descriptors;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const auto* socket = As<UnixSocket>(*files[i]);
      if (any(states[i]) && socket != nullptr && socket->backlog) {
        found[socket->socket_id] = of(states[i].state);
      }
    }
  }
  return found;
}

void RemoveNameRoot(const UnixSocket& socket, int root) {
  if (socket.unlinked_name) unlinkat(root, socket.Path().c_str() + 1, 0);
  close(root);
}

std::map<SocketId, std::size_t> NumberSocketFiles(const Program& program) {
  std::map<SocketId, std::size_t> numbers;
  ForEachSocketFile(program, [&](const UnixSocket& socket, auto) {
    numbers.emplace(socket.socket_id, numbers.size());
  });
  return numbers;
}

void RemoveSocketFiles(const Program& program, const std::vector<Mount>* mounts,
                       const HostFiles& places, int board) {
  const auto namespaces =
      mounts == nullptr ? std::nullopt : std::optional<MountNamespaces>(*mounts);
  const std::map<SocketId, std::size_t> numbers = NumberSocketFiles(program);
  const OutsideIds ids = {OwnUserNamespace(program)};
  ForEachSocketFile(program, [&](const UnixSocket& socket, std::optional<std::uint64_t> of) {
    MadeFile made = {};
    const std::size_t at = numbers.at(socket.socket_id) * sizeof made;
    if (pread(board, &made, sizeof made, static_cast<off_t>(at)) != sizeof made) return;
    made.uid = ids.Uid(made.uid);
    if (made.state == MadeFile::kNone) return;
    const std::string path = socket.Path();
    const Mount* in = socket.mount && namespaces ? namespaces->Find(*socket.mount) : nullptr;
    if (in != nullptr) of = in->namespace_id;
    const bool hidden = in != nullptr && HiddenIn(*namespaces, in->id, FolderOf(path));
    RemoveMade(path, made, preflight::RootView(mounts, places, of), hidden ? in : nullptr);
  });
}

}  // namespace crgen::restorer
