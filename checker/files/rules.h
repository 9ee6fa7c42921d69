// SPDX-License-Identifier: Apache-2.0
// The rules of each type of open file description and of each kind of late state, one
// specialisation a type: what the kernel refuses, what is compared, how it reads in words.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "checker/compare/difference.h"
#include "model/diagnostics.h"
#include "model/files/file.h"
#include "model/files/late.h"

namespace crgen::check {

class Kernel;
struct Description;
struct MemoryObject;
struct SocketObject;

/// Why the kernel refuses something: the name of the errno, and the fact behind it.
struct Refusal {
  std::string_view error;
  std::string fact;
};

/// What open(2) does once and no description has (do_dentry_open()), and access modes that no
/// program names. Absent: a description can have `flags`.
std::optional<Refusal> RefusedFlags(OpenFlags flags);
/// Absent: it is an absolute path.
std::optional<Refusal> RefusedPath(const Text& path);
/// Absent: it is not opened by a hard link of the dumper, or can be.
template <typename Body>
std::optional<Refusal> RefusedLink(const Body& body) {
  if (!body.opened_by) return std::nullopt;
  if (auto refused = RefusedPath(*body.opened_by)) return refused;
  if (!body.unlinked) return std::nullopt;
  return Refusal{"EINVAL", "an unlinked file is not opened by another name"};
}
/// Absent: a file can have that position.
std::optional<Refusal> RefusedPosition(const std::optional<std::uint64_t>& pos);
/// The same as RefusedFlags for what a call makes without any path (anon_inode_getfile(3)): one
/// access mode, and what F_SETFL can add.
std::optional<Refusal> RefusedAnonymousFlags(OpenFlags flags, std::uint64_t access = O_RDWR);

/// The rules of one type. Undefined: every type of FileBody has its own, derived from PlainRules.
/// The kernel has one object of each, so rules may keep what they know of the objects behind.
template <typename Body>
class FileRules;

/// What holds unless a type says otherwise.
template <typename Body>
class PlainRules {
 public:
  /// mmap(2): ENODEV without it.
  static constexpr bool kCanBeMapped = false;
  /// One call makes two of them: OPEN_FILE with `peer`.
  static constexpr bool kComesInPairs = false;

  /// Whether the kernel opens it.
  std::optional<Refusal> Check(const File& file, const Body&) const {
    return RefusedFlags(file.flags);
  }
  /// Whether epoll_ctl(2) takes it: EPERM without it.
  bool CanBePolled(const Body&) const { return true; }
  /// Whether it may be a process's own, which others take `from` it.
  bool IsOfAProcess(const Body&) const { return false; }
  /// Whether socket(2) makes it.
  static constexpr bool kIsSocket = false;
  /// Whether the process that executes can open it so; `peer`: the other end, if there is one.
  std::optional<Refusal> CheckOpening(const Kernel&, const File&, const Body&, const File*) const {
    return std::nullopt;
  }
  /// Both ends are open; `peer` is nullptr if there is one only.
  void Opened(const Kernel&, Description&, const Body&, Description*) {}
  /// It is open: the memory behind it, if it has some.
  std::shared_ptr<MemoryObject> Open(const Body&) { return nullptr; }
  /// The rings that mmap(2) maps instead of a file; nullptr: none.
  const PacketSocket* Rings(const Body&) const { return nullptr; }
  /// What becomes the controlling terminal of who opens it.
  std::optional<TtyId> Controls(const Body&) const { return std::nullopt; }
  /// Whether something behind the body exists, with or without a descriptor.
  bool ObjectLives(const Body&) const { return false; }
  /// Whether OPEN_FILE may be there for another effect than the descriptor.
  bool ServesOtherwise(const Body&, std::size_t openings_of_object) const {
    return openings_of_object > 1;
  }
  /// The file behind the description, where it can be a regular one: as locks and leases know it.
  std::optional<std::string> Inode(const Body&) const { return std::nullopt; }
  /// Bytes of what is mapped, if they are known.
  std::optional<std::uint64_t> MappedSize(const Body&) const { return std::nullopt; }
  /// Reports in which fields a description differs from the expected one: all that are described.
  void Compare(const std::string& where, const Body& expected, const Body& found,
               Diagnostics& diag) const {
    check::Compare(where, "file", expected, found, diag);
  }
  /// Behind type and flags: the fields of the table.
  std::string Text(const Body& body) const { return FieldsText(body); }
};

/// The rules of one kind of late state. Undefined: every kind of LateState has its own, with
///   static std::optional<Refusal> Check(const Kernel&, const Description&, const Late&);
/// and, where the kernel has to know more of it than that it is set,
///   static void Apply(const Kernel&, const Description&, const Late&);
///   static void Undo(const Description&);
template <typename Late>
struct LateRules;

}  // namespace crgen::check
