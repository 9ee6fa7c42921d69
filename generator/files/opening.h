// SPDX-License-Identifier: Apache-2.0
// What the OPEN_FILEs of a program give and take: all that the descriptor plan knows of types.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "generator/inheritance.h"
#include "model/ids.h"

namespace crgen {

/// The openings of a snapshot's descriptions, which are named by their index in Snapshot::files.
/// Unless a planner says otherwise each is opened alone, and takes nothing.
class Openings {
 public:
  /// One call makes both (pipe(2), socketpair(2)): the OPEN_FILE of one has the other as `peer`. An
  /// end that no process holds gets a number for the moment, and is closed at once.
  void Pair(FileIndex file, FileIndex peer) {
    peers_[file] = peer;
    peers_[peer] = file;
  }
  /// `file` can be opened only when `earlier`, which some process holds, has been opened: anywhere
  /// in the tree.
  void Need(FileIndex file, FileIndex earlier) { needs_[file].push_back(earlier); }

  /// `file` can be opened only behind the FORK `birth`, an index of operations.
  void Follow(FileIndex file, TreeTime birth) { births_[file] = birth; }
  /// -1: at any time.
  TreeTime BirthBefore(FileIndex file) const {
    const auto found = births_.find(file);
    return found == births_.end() ? TreeTime() : found->second;
  }

  /// Some openings rely on what other processes have opened, whichever of them comes first.
  void RelyOnEachOther() { rely_ = true; }
  /// Whether nobody may go on before everything is open.
  bool rely_on_each_other() const { return rely_ || !needs_.empty(); }

  /// None: it is opened alone.
  FileIndex PeerOf(FileIndex file) const {
    const auto found = peers_.find(file);
    return found == peers_.end() ? FileIndex() : found->second;
  }
  /// One name for what one OPEN_FILE gives: the lower index.
  FileIndex OpeningOf(FileIndex file) const {
    const FileIndex peer = PeerOf(file);
    return peer >= 0 && peer < file ? peer : file;
  }
  std::span<const FileIndex> NeedsOf(FileIndex file) const {
    const auto found = needs_.find(file);
    return found == needs_.end() ? std::span<const FileIndex>() : found->second;
  }
  const std::unordered_map<FileIndex, FileIndex>& pairs() const { return peers_; }
  const std::unordered_map<FileIndex, std::vector<FileIndex>>& needs() const { return needs_; }

 private:
  std::unordered_map<FileIndex, FileIndex> peers_;
  std::unordered_map<FileIndex, std::vector<FileIndex>> needs_;
  std::unordered_map<FileIndex, TreeTime> births_;
  bool rely_ = false;
};

}  // namespace crgen
