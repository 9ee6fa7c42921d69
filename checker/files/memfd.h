// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>

#include "checker/files/rules.h"

namespace crgen::check {

/// memfd_create(2), F_ADD_SEALS of fcntl(2).
template <>
class FileRules<Memfd> : public PlainRules<Memfd> {
 public:
  static constexpr bool kCanBeMapped = true;
  bool CanBePolled(const Memfd&) const { return false; }

  std::optional<Refusal> Check(const File& file, const Memfd& memfd) const;
  std::shared_ptr<MemoryObject> Open(const Memfd& memfd);
  bool ObjectLives(const Memfd& memfd) const { return Find(memfd.inode_id) != nullptr; }
  /// The first opening of several has made the object, any may have sealed it.
  bool ServesOtherwise(const Memfd& memfd, std::size_t openings_of_object) const {
    return memfd.seals.has_value() || openings_of_object > 1;
  }
  /// The object, and the members that describe it, are compared once for all its descriptions.
  void Compare(const std::string& where, const Memfd& expected, const Memfd& found,
               Diagnostics& diag) const {
    check::Compare(where, "file.pos", expected.pos, found.pos, diag);
  }
  std::optional<std::string> Inode(const Memfd& memfd) const { return "memfd " + Text(memfd); }
  std::string Text(const Memfd& memfd) const { return std::to_string(memfd.inode_id.value); }

  /// nullptr: there is none, or nothing refers to it any more.
  std::shared_ptr<MemoryObject> Find(InodeId id) const {
    const auto known = objects_.find(id);
    return known == objects_.end() ? nullptr : known->second.lock();
  }

 private:
  std::unordered_map<InodeId, std::weak_ptr<MemoryObject>> objects_;
};

}  // namespace crgen::check
