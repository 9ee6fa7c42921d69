// SPDX-License-Identifier: Apache-2.0
// What fcntl(2) and flock(2) lock: inodes, of whatever type.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "model/files/file.h"
#include "model/one_of.h"

namespace crgen {

/// The inode that descriptions of a file have in common, by a name that no two share. nullopt:
/// whoever knows mounts and names has to tell (REG, MEMFD), or the kernel has one for all of the
/// type, so that a lock says nothing.
class SpecialInode {
 public:
  static std::optional<std::string> Of(const File& file) {
    return std::visit([&](const auto& body) { return Name(file, body); }, file.body);
  }

 private:
  using Answer = std::optional<std::string>;

  template <OneOf<RegularFile, Memfd, Eventfd, Signalfd, Timerfd, Eventpoll, Inotify, Fanotify,
                  Pidfd, BpfMap, OtherFile>
                Body>
  static Answer Name(const File&, const Body&) {
    return std::nullopt;
  }
  static Answer Name(const File&, const Pipe& pipe) {
    return "pipe " + std::to_string(pipe.pipe_id.value);
  }
  static Answer Name(const File&, const Fifo& fifo) {
    return "FIFO " + std::to_string(fifo.pipe_id.value);
  }
  /// A socket has one description.
  template <OneOf<UnixSocket, InetSocket, NetlinkSocket, PacketSocket> Body>
  static Answer Name(const File& file, const Body&) {
    return "socket, file " + std::to_string(file.id.value);
  }
  /// All masters are openings of one file, and so are all of /dev/tty.
  static Answer Name(const File&, const Tty& tty) {
    if (IsPtyMaster(tty)) return "/dev/ptmx";
    if (tty.driver == kOwnTerminal) return "/dev/tty";
    return "terminal " + std::to_string(tty.tty_id.value);
  }
  static Answer Name(const File&, const NamespaceFile& ns) {
    return "namespace " + std::to_string(ns.type.value) + " " + std::to_string(ns.id.value_or(0));
  }
  static Answer Name(const File&, const TunFile& tun) { return tun.path.bytes; }
};

/// Whether it can be a regular file, which alone is leased.
inline bool CanBeLeased(const File& file) {
  return As<RegularFile>(file) != nullptr || As<Memfd>(file) != nullptr;
}

/// Whether a lock of it says something: it has an inode of its own.
inline bool HasLocks(const File& file) {
  return CanBeLeased(file) || SpecialInode::Of(file).has_value();
}

}  // namespace crgen
