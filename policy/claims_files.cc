// SPDX-License-Identifier: Apache-2.0
// What each type of description takes.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <ctime>
#include <filesystem>

#include "model/one_of.h"
#include "policy/claims.h"
#include "views/words.h"

namespace crgen::policy {
namespace {

bool IsDevice(const RegularFile& file) {
  return file.mode && (S_ISCHR(*file.mode) || S_ISBLK(*file.mode));
}

bool IsOfDevices(std::string_view path) {
  return IsBelow(path, "/dev") && path != "/dev" && !IsBelow(path, "/dev/shm");
}

/// Through what a process opens others; nullptr: it holds no place in a tree of files.
template <
    OneOf<Memfd, Eventfd, Signalfd, Timerfd, Eventpoll, Inotify, Fanotify, Pidfd, Pipe, UnixSocket,
          InetSocket, NetlinkSocket, PacketSocket, Tty, NamespaceFile, TunFile, BpfMap, OtherFile>
        Body>
const std::string* OpenedPath(const Body&) {
  return nullptr;
}
const std::string* OpenedPath(const RegularFile& file) { return &file.path.bytes; }
const std::string* OpenedPath(const Fifo& fifo) { return &fifo.path.bytes; }

std::string AddressText(const Rare<InetAddress>& at) {
  if (!at) return "";
  const bool v6 = at->address.find(':') != std::string::npos;
  return (v6 ? "[" + at->address + "]" : at->address) + ":" + std::to_string(at->port);
}

}  // namespace

std::string WithoutDots(const std::string& path) {
  if (IsCanonical(path)) return path;
  std::string plain = std::filesystem::path(path).lexically_normal().string();
  if (plain.starts_with("//")) plain.erase(0, plain.find_first_not_of('/') - 1);
  if (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  return plain;
}

bool IsDevicePath(const std::string& path) {
  return IsOfDevices(path) || IsOfDevices(WithoutDots(path));
}

void Claims::OpenedAt(const File& file, const std::string& where) {
  if (file.external) {
    External("descriptor", *file.external, where);
    const auto* socket = As<UnixSocket>(file);
    if (socket != nullptr && socket->peer_name) Opens(file, *socket, where);  // may be bound anew
    return;
  }
  std::visit([&](const auto& body) { Opens(file, body, where); }, file.body);
}

void Claims::Held(Pid pid, const std::string& root, Fd fd, const File& file) {
  if (root == "/" || file.external) return;
  const std::string* path =
      std::visit([](const auto& body) { return OpenedPath(body); }, file.body);
  if (path == nullptr || IsBelow(WithoutDots(*path), root)) return;
  out_.Add(Kind::kBeyondRoot, *path, [&] {
    return "fd " + std::to_string(fd) + " of process " + std::to_string(pid) + ", whose root is " +
           root;
  });
}

void Claims::Path(const std::string& path, std::string_view word, const std::string& where,
                  bool device) {
  const bool is_device = device || IsDevicePath(path);
  out_.Add(is_device ? Kind::kDevices : Kind::kPaths, {path}, word, [&] { return where; });
}

void Claims::Setuid(const std::string& path, std::optional<std::uint32_t> mode,
                    const std::string& where) {
  if (!mode || !S_ISREG(*mode)) return;
  const bool gid = (*mode & S_ISGID) != 0 && (*mode & S_IXGRP) != 0;
  if ((*mode & S_ISUID) == 0 && !gid) return;
  out_.Add(Kind::kSetuid, path, [&] { return where; });
}

void Claims::Accessed(const RegularFile& file, OpenFlags flags, const std::string& where) {
  const std::string& path = file.path.bytes;
  const bool device = IsDevice(file);
  const std::uint64_t access = flags.bits & O_ACCMODE;
  if (flags.Has(O_PATH)) {
    Path(path, "enter", where, device);
  } else {
    if (access != O_WRONLY) Path(path, "read", where, device);
    if (access != O_RDONLY || flags.Has(O_TRUNC)) {
      Path(path, "write", where, device);
      written_.insert(WithoutDots(path));
    }
  }
  const bool made = file.unlinked || flags.Has(O_CREAT) || flags.Has(O_TMPFILE);
  if (made) Path(path, "create", where, device);
  if (file.opened_by) Path(file.opened_by->bytes, "read", where, device);
  Setuid(path, file.mode, where);
  if (file.unlinked) MadeUnlinked(path, *file.unlinked, where);
  if (!file.unlinked) {
    out_.AddFile(file.opened_by ? file.opened_by->bytes : path,
                 {file.mode, file.size, file.build_id});
  }
}

/// A device is that one, whatever its path.
void Claims::MadeUnlinked(const std::string& path, const Unlinked& file, const std::string& where) {
  Made(path, file.mode, where);
  if (!file.rdev) return;
  const char* type = S_ISBLK(file.mode.value_or(0)) ? "block" : "char";
  const std::string numbers =
      std::to_string(major(*file.rdev)) + ":" + std::to_string(minor(*file.rdev));
  for (const std::string_view word : {"read", "write", "create"}) {
    Path(std::string(type) + ":" + numbers, word, where, true);
  }
}

void Claims::Opens(const File& file, const RegularFile& body, const std::string& where) {
  Accessed(body, file.flags, where);
}
void Claims::Opens(const File&, const Memfd& memfd, const std::string& where) {
  if (memfd.mode) Made("[memfd:" + (memfd.name ? memfd.name->bytes : "") + "]", memfd.mode, where);
}
void Claims::WakeAlarm(std::uint64_t clock, const std::string& where) {
  if (clock != CLOCK_REALTIME_ALARM && clock != CLOCK_BOOTTIME_ALARM) return;
  out_.Add(Kind::kNotifications, "wake_alarm", [&] { return where; });
}
void Claims::Opens(const File&, const Timerfd& timer, const std::string& where) {
  WakeAlarm(timer.clock.value, where);
}
void Claims::Opens(const File&, const Fanotify&, const std::string& where) {
  out_.Add(Kind::kNotifications, "fanotify", [&] { return where; });
}
void Claims::Opens(const File& file, const Fifo& fifo, const std::string& where) {
  const std::uint64_t access = file.flags.bits & O_ACCMODE;
  if (access != O_WRONLY) Path(fifo.path.bytes, "read", where);
  if (access != O_RDONLY) Path(fifo.path.bytes, "write", where);
  if (fifo.opened_by) Path(fifo.opened_by->bytes, "read", where);
  if (!fifo.unlinked) return;
  Path(fifo.path.bytes, "create", where);
  MadeUnlinked(fifo.path.bytes, *fifo.unlinked, where);
}

void Claims::Socket(std::string family, std::string type, std::string protocol, std::string local,
                    std::string peer, const std::string& where) {
  out_.Add(
      Kind::kSockets,
      {std::move(family), std::move(type), std::move(protocol), std::move(local), std::move(peer)},
      {}, [&] { return where; });
}
void Claims::Opens(const File&, const UnixSocket& socket, const std::string& where) {
  const bool has_name = socket.name && !socket.name->bytes.empty();
  if (!has_name && !socket.peer_name) return;
  const std::string name = !has_name             ? ""
                           : socket.IsAbstract() ? "@" + socket.name->bytes.substr(1)
                                                 : socket.Path();
  std::string peer = socket.peer_name ? socket.peer_name->bytes : "";
  if (peer.starts_with('\0')) peer[0] = '@';
  Socket("AF_UNIX", NameText(socket.socket_type), "", name, std::move(peer), where);
}
void Claims::Opens(const File&, const InetSocket& socket, const std::string& where) {
  Socket(NameText(socket.family), NameText(socket.socket_type), NameText(socket.protocol),
         AddressText(socket.source), AddressText(socket.destination), where);
}
void Claims::Opens(const File&, const NetlinkSocket& socket, const std::string& where) {
  std::string local = socket.port_id ? "port " + std::to_string(*socket.port_id) : "";
  for (const std::uint32_t group : socket.groups) local += " group " + std::to_string(group);
  const auto& to = socket.destination;
  Socket("AF_NETLINK", "", NameText(socket.protocol), local,
         to ? "port " + std::to_string(to->port_id) : "", where);
}
void Claims::Opens(const File&, const PacketSocket& socket, const std::string& where) {
  Socket("AF_PACKET", NameText(socket.socket_type), NameText(socket.protocol),
         socket.interface == 0 ? "" : "interface " + std::to_string(socket.interface), "", where);
}

void Claims::Opens(const File& file, const Tty& tty, const std::string& where) {
  if (tty.driver == kCurrentTerminal) return External("terminal", "", where);
  if (tty.hung_up) hung_up_.insert(tty.tty_id);
  if (IsPtyMaster(tty)) masters_.insert(tty.tty_id);
  if (tty.driver == kPtySlave) slaves_.try_emplace(tty.tty_id, Slave{where, tty.index.value_or(0)});
  if (IsPty(tty) || !tty.path) return;
  const std::uint64_t access = file.flags.bits & O_ACCMODE;
  if (access != O_WRONLY) Path(tty.path->bytes, "read", where, true);
  if (access != O_RDONLY) Path(tty.path->bytes, "write", where, true);
}
void Claims::Opens(const File&, const NamespaceFile& file, const std::string& where) {
  if (!file.id) namespaces_.try_emplace(NameText(file.type), where);
}
void Claims::Opens(const File& file, const TunFile& tun, const std::string& where) {
  const std::uint64_t access = file.flags.bits & O_ACCMODE;
  if (access != O_WRONLY) Path(tun.path.bytes, "read", where, true);
  if (access != O_RDONLY) Path(tun.path.bytes, "write", where, true);
}
void Claims::MadeMap(const BpfMapObject& map, const std::string& where) {
  out_.Add(Kind::kBpfMaps, NameText(map.map_type) + ":" + (map.name ? map.name->bytes : ""),
           [&] { return where; });
}
void Claims::Opens(const File&, const BpfMap& map, const std::string& where) {
  if (map.map) MadeMap(*map.map, where);
}
void Claims::Opens(const File&, const OtherFile& other, const std::string& where) {
  out_.AddUnknown(where, "a descriptor of type " + other.type);
}

void Claims::LateAt(const OwnerSetting& setting, const std::string& where) {
  const auto at = [&] { return "the owner of signals of " + where; };
  if (setting.owner.uid) out_.AddNumber(Kind::kUids, *setting.owner.uid, at);
  if (setting.owner.euid) out_.AddNumber(Kind::kUids, *setting.owner.euid, at);
}
void Claims::Watch(const std::optional<Text>& path, const std::optional<InodeHandle>& handle,
                   const std::string& where) {
  if (path) return Path(path->bytes, "watch", where);
  if (!handle) return;
  // By its handle it is found wherever it is.
  out_.Add(Kind::kPaths,
           {"inode:" + std::to_string(handle->device) + ":" + std::to_string(handle->inode)},
           "watch", [&] { return where; });
}
void Claims::LateAt(const InotifyWatches& set, const std::string& where) {
  for (const InotifyWatch& watch : set.watches) {
    Watch(watch.path, watch.handle, where);  // what has no name is the plan's own
  }
}
void Claims::LateAt(const FanotifyMarks& set, const std::string& where) {
  for (const FanotifyMark& mark : set.marks) Watch(mark.path, mark.handle, where);
}
void Claims::LateAt(const LockSetting&, const std::string& where) { External("locks", "", where); }
void Claims::LateAt(const LeaseSetting&, const std::string& where) { External("locks", "", where); }

}  // namespace crgen::policy
